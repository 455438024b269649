"""Requests to the origins: which one to ask first, what of its answer is passed on.

Any origin may have a stream. The one that had it last is asked first, because two streamers cut a
stream into segments of their own numbering; 404, an error of the server or no answer at all send
the question to the next one.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from media_streamer.cache.metrics import Metrics

log = logging.getLogger(__name__)

REMEMBER_SECONDS = 60.0
MAX_REMEMBERED = 20_000
DOWN_SECONDS = 5.0
"""An origin that did not answer is asked last for so long."""
CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 20.0
"""Longest wait for a head (a streamer starts an on-demand stream first) and within a body."""
BLOCKING_TIMEOUT_SECONDS = 60.0
"""A blocking playlist reload or hinted part: three target durations of up to 20 s."""
MAX_CONNECTIONS = 10_000
"""Endless responses hold a connection for each viewer."""
_TRY_NEXT = frozenset({404, 500, 502, 503, 504})
_PASSED_BACK = (
    "Accept-Ranges",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Age",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Range",
    "Content-Security-Policy",
    "Content-Type",
    "ETag",
    "Last-Modified",
    "Location",
    "Referrer-Policy",
    "Retry-After",
    "Vary",
    "X-Content-Type-Options",
    "X-Error",
)
"""No cookies: answers are shared by viewers."""


class OriginFailed(ConnectionError):  # noqa: N818 - the word of the log and of the answer
    """No origin answered; `status` is for the viewer: 502 or 504."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status


@dataclass(frozen=True, slots=True)
class Question:
    """A request to an origin."""

    method: str
    target: str
    """Raw path and query: to the origin as they came."""
    stream: str
    headers: Mapping[str, str]
    blocking: bool = False
    patience_seconds: float | None = None
    """Who does not answer for so long is down, where the asker has an answer of its own."""


class Origins:
    """Made within the running loop; `close` it."""

    def __init__(self, urls: Sequence[URL], metrics: Metrics) -> None:
        self._urls = [url.with_query(None).with_fragment(None) for url in urls]
        self._metrics = metrics
        self._known: OrderedDict[str, tuple[URL, float]] = OrderedDict()
        self._down: dict[URL, float] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ttl_dns_cache=10),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    def order(self, stream: str, now: float) -> list[URL]:
        """Whom to ask: the one that had the stream, then the others, those that failed last."""
        known, until = self._known.get(stream, (None, 0.0))
        return sorted(
            self._urls,
            key=lambda url: (self._down.get(url, 0.0) > now, not (url == known and until > now)),
        )

    def are_down(self) -> bool:
        """Whether none answered the last time that it was asked, a moment ago."""
        now = time.monotonic()
        return all(self._down.get(url, 0.0) > now for url in self._urls)

    async def ask(self, question: Question) -> aiohttp.ClientResponse:
        """The head of the best answer; its body is the caller's to read and close.

        Raises OriginFailed. The failure of one origin outweighs the 404 of another: nobody knows
        whether the stream is there.
        """
        answers: list[aiohttp.ClientResponse] = []
        failed: OriginFailed | None = None
        try:
            for url in self.order(question.stream, time.monotonic()):
                try:
                    answers.append(await self._ask_one(url, question))
                except OriginFailed as error:
                    failed = error
                    continue
                if answers[-1].status not in _TRY_NEXT:
                    self._found(question.stream, url, answers[-1].status)
                    return answers.pop()
            answers.sort(key=lambda answer: answer.status != 404)
            if failed is not None and (not answers or answers[-1].status == 404):
                raise failed
            return answers.pop()
        finally:
            for answer in answers:
                answer.close()

    async def _ask_one(self, url: URL, question: Question) -> aiohttp.ClientResponse:
        self._metrics.origin_requests.inc()
        wait = BLOCKING_TIMEOUT_SECONDS if question.blocking else READ_TIMEOUT_SECONDS
        if question.patience_seconds is not None:
            wait = question.patience_seconds
        try:
            # sock_read bounds each pause within the body; a head that drips is bounded as a whole.
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS + wait):
                answer = await self._session.request(
                    question.method,
                    URL(f"{str(url).rstrip('/')}{question.target}", encoded=True),
                    headers=question.headers,
                    allow_redirects=False,
                    skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                    timeout=aiohttp.ClientTimeout(
                        total=None,
                        connect=CONNECT_TIMEOUT_SECONDS,
                        sock_connect=CONNECT_TIMEOUT_SECONDS,
                        sock_read=wait,
                    ),
                )
        except aiohttp.ConnectionTimeoutError:
            text = "cannot be connected to in time"
            raise self._failed(url, question, "connect", text, 504) from None
        except TimeoutError:
            raise self._failed(url, question, "timeout", "did not answer in time", 504) from None
        except aiohttp.ClientConnectorError as error:
            text = f"cannot be connected to: {error.os_error.strerror or 'no address'}"
            raise self._failed(url, question, "connect", text, 502) from None
        except (aiohttp.ClientError, OSError) as error:
            text = f"broke off: {type(error).__name__}"
            raise self._failed(url, question, "broken", text, 502) from None
        if answer.status >= 500:
            self._metrics.origin_errors.labels("status").inc()
            origin = f"{url.host}:{url.port}"
            log.warning("stream %s: origin %s answers %s", question.stream, origin, answer.status)
        self._down.pop(url, None)
        return answer

    def _failed(
        self, url: URL, question: Question, kind: str, text: str, status: int
    ) -> OriginFailed:
        self._metrics.origin_errors.labels(kind).inc()
        now = time.monotonic()
        # One line for each time of being down, not one for each viewer's request.
        level = logging.DEBUG if self._down.get(url, 0.0) > now else logging.WARNING
        if kind == "connect" or (kind == "timeout" and question.patience_seconds is not None):
            self._down[url] = now + DOWN_SECONDS
        # Host and port only: the URL may hold a password.
        log.log(level, "stream %s: origin %s:%s %s", question.stream, url.host, url.port, text)
        return OriginFailed(status, f"The origin {text.partition(':')[0]}; try again")

    def _found(self, stream: str, url: URL, status: int) -> None:
        if status < 400:
            self._known.pop(stream, None)
            self._known[stream] = (url, time.monotonic() + REMEMBER_SECONDS)
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)


def passed_back(answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
    """The fields of an answer's head that go to viewers."""
    found = answer.headers
    return CIMultiDict((name, found[name]) for name in _PASSED_BACK if name in found)
