"""Requests to the API from the callbacks of two connections, without a task.

By aiohttp's server and client a call waits for its turn eight times in the loop of a worker, and
thousands of viewers make each turn long. Here the callback that reads a request writes it to a kept
connection to the supervisor, and the callback that reads the answer writes that to the client.

Only what is simple goes this way: a GET of HTTP/1.1 that came alone, as a whole and without a body,
while a kept connection is idle and its address has a place. All else is `ApiProxy.forward`'s, which
is also asked where a kept connection was closed before anything of an answer came: the supervisor
may not have heard of it, and a GET may be sent twice (RFC 9110, 9.2.2). Nothing else is: who is
silent for `READ_TIMEOUT_SECONDS` is not asked once more, the client is answered 503.

Invariants: a connection to the supervisor carries one exchange at a time and is closed unless the
answer came to its end and nothing came behind it; no more is read than the client takes; each wait
has an end; `Asker.called` is told once, and not within `begin`.
"""

import asyncio
import contextlib
import logging
from pathlib import Path

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import (
    HttpProcessingError,
    HttpResponseParser,
    HttpVersion11,
    RawRequestMessage,
    RawResponseMessage,
)
from aiohttp.streams import StreamReader
from media_process.seldom import Seldom

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.access_log import AccessLog, text
from media_streamer.egress.http.connection import Asker, End
from media_streamer.egress.http.hops import end_to_end, head, request_headers
from media_streamer.egress.http.places import Places
from media_streamer.egress.http.request import refuse

log = logging.getLogger(__name__)

READ_TIMEOUT_SECONDS = 120.0
"""Longest pause in an answer of the API; its own work has shorter time-outs."""
CONNECT_TIMEOUT_SECONDS = 5.0
MAX_CALLS = 128
"""Under way; others go by `ApiProxy.forward`, which has its own bound."""
MAX_IDLE = 8
SPARE = 2
"""So many idle connections are kept ready once there was a call."""
_PARSER_BYTES = 1024 * 1024
"""More than is ever read at once: what was parsed is taken from the parser in the same callback."""
_NO_BODY = frozenset({204, 304})


def unavailable() -> AccessDenied:
    """What a client is told where the API gave no answer."""
    return AccessDenied(503, "unavailable", "The API does not answer now; try again")


class _Kept(BaseProtocol):
    """A connection to the supervisor."""

    def __init__(self, loop: asyncio.AbstractEventLoop, calls: "ApiCalls") -> None:
        super().__init__(loop)
        self._calls = calls
        self.call: Call | None = None
        self.may_stay = True

    def expect_answer(self) -> HttpResponseParser:
        """A parser for the next answer."""
        self._parser = HttpResponseParser(
            self,
            self._loop,
            _PARSER_BYTES,
            payload_exception=aiohttp.ClientPayloadError,
            read_until_eof=True,
            auto_decompress=False,
        )
        return self._parser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._calls.kept(self)

    def data_received(self, data: bytes) -> None:
        if self.call is None:
            self.abort()  # what nobody has asked for
        else:
            self.call.heard(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._calls.lost(self)
        if self.call is not None:
            self.call.lost(exc)
        self._parser = None

    def pause_reading(self) -> None:
        """For the parser. What is in it is taken at once; a call holds the transport itself."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """The same."""

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Call:
    """A request on its way and its answer; made by `ApiCalls.begin`."""

    def __init__(
        self, calls: "ApiCalls", kept: _Kept, client: Asker, request: RawRequestMessage, ip: str
    ) -> None:
        self.ip, self.request = ip, request
        self.status = 0
        """Of the answer, once there is one."""
        self.size = 0
        """Bytes of its body so far."""
        self._calls, self._client = calls, client
        self._kept: _Kept | None = kept
        """None: the answer has come to its end."""
        self._parser = kept.expect_answer()
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()
        self._heard = False
        """Something of an answer has come."""
        self._payload: StreamReader | None = None
        """Once there is a head."""
        self._chunked = False
        self._stays = not request.should_close
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        kept.call = self
        self._arm(READ_TIMEOUT_SECONDS, "no answer within %g s")

    # Of the supervisor's connection

    def heard(self, data: bytes) -> None:
        """A piece of the answer."""
        client, kept = self._client.transport, self._kept
        if client is None or client.is_closing() or kept is None:
            self.cancel()
            return
        self._heard = True
        self._arm(READ_TIMEOUT_SECONDS, "nothing more within %g s")
        try:
            parts = self._parse(data)
        except (aiohttp.ClientError, HttpProcessingError, ValueError) as error:
            self._broken(str(error))
            return
        if parts:
            client.write(b"".join(parts))
        assert self._payload is not None or not parts
        if self._payload is not None and self._payload.is_eof():
            self._complete(kept)
        elif self._client.writing_paused:
            assert kept.transport is not None
            kept.transport.pause_reading()
            self._arm(self._calls.unread_seconds, "nobody read on for %g s")

    def lost(self, error: BaseException | None) -> None:
        """The supervisor closed the connection."""
        if self._is_over or self._kept is None:
            return
        with contextlib.suppress(Exception):  # what is missing is looked at below
            self._parser.feed_eof()
        payload, client = self._payload, self._client.transport
        if not self._heard:
            self._end(End.UNHEARD)
        elif payload is None:
            self._broken("the connection was closed within the head")
        elif payload.is_eof() and payload.exception() is None and client is not None:
            client.write(self._body(payload))
            self._complete(self._kept)
        else:
            self._broken(str(error or "the connection was closed"))

    # Of the client's connection

    def go_on(self) -> None:
        """The client reads again."""
        if self._is_over:
            return
        if self._kept is None:
            self._end(self._last)
        elif self._kept.transport is not None:
            self._kept.transport.resume_reading()
            self._arm(READ_TIMEOUT_SECONDS, "nothing more within %g s")

    def cancel(self) -> None:
        """The client has gone, or is to go."""
        if not self._is_over:
            self._end(End.CUT)

    # Of both

    @property
    def _last(self) -> End:
        return End.STAY if self._stays else End.CLOSE

    def _parse(self, data: bytes) -> list[bytes]:
        """What goes to the client of a piece of the answer."""
        messages, _, tail = self._parser.feed_data(data)
        if tail or len(messages) > 1 or (messages and self._payload is not None):
            raise ValueError("bytes behind the answer")
        parts = []
        if messages:
            answer, payload = messages[0]
            parts.append(self._head(answer))
            self._payload = payload  # not before: a head that is refused is none
        if self._payload is None:
            return []
        if (error := self._payload.exception()) is not None:
            raise ValueError(str(error))
        parts.append(self._body(self._payload))
        return parts

    def _head(self, answer: RawResponseMessage) -> bytes:
        if answer.code < 200:
            raise ValueError("a status that was not asked for")
        if self._kept is not None and answer.should_close:
            self._kept.may_stay = False
        if answer.code == 401:
            self._stays = False  # who must log in first gets nothing more on this connection
        self.status = answer.code
        headers = end_to_end(answer.headers)
        if "Content-Length" not in headers and answer.code not in _NO_BODY:
            self._chunked = True
            headers["Transfer-Encoding"] = "chunked"
        if not self._stays:
            headers["Connection"] = "close"
        return head(f"HTTP/1.1 {answer.code} {answer.reason}", headers)

    def _body(self, payload: StreamReader) -> bytes:
        data = payload.read_nowait(-1)
        self.size += len(data)
        if not self._chunked:
            return data
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return chunk + b"0\r\n\r\n" if payload.is_eof() else chunk

    def _complete(self, kept: _Kept) -> None:
        """The whole answer is on its way."""
        self._kept = kept.call = None
        self._calls.over(kept)
        if self._client.writing_paused:  # nobody holds a place by not reading
            self._arm(self._calls.unread_seconds, "nobody read the end for %g s")
        else:
            self._end(self._last)

    def _broken(self, why: str) -> None:
        """There is no answer, or no more of it."""
        client = self._client.transport
        if self._payload is not None:
            self._calls.complain(self, f"broke off: {why}")
            self._end(End.CUT)
        elif client is None or client.is_closing():
            self._end(End.CUT)
        else:
            self._calls.complain(self, why)
            client.write(self._refusal())
            self._end(self._last)

    def _refusal(self) -> bytes:
        answer = refuse(unavailable())
        body = (answer.text or "").encode()
        self.status, self.size = answer.status, len(body)
        answer.headers["Content-Length"] = str(len(body))
        answer.headers["Date"] = rfc822_formatted_time()
        if not self._stays:
            answer.headers["Connection"] = "close"
        return head(f"HTTP/1.1 {answer.status} {answer.reason}", answer.headers) + body

    def _arm(self, seconds: float, why: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._broken, why % seconds)

    def _end(self, end: End) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._kept is not None:
            self._kept.call = None
            self._kept.abort()
            self._kept = None
        self._calls.ended(self)
        self._client.called(end)


class ApiCalls:
    """Kept connections to `api.sock`, and the calls on them. `close` it.

    `places`: shared with those who ask otherwise. `unread_seconds`: for a piece that nobody reads.
    `requests`: where they are logged.
    """

    def __init__(
        self,
        api_socket: Path,
        places: Places,
        unread_seconds: float,
        requests: AccessLog | None = None,
    ) -> None:
        self._path, self._places, self.unread_seconds = api_socket, places, unread_seconds
        self._requests = requests
        self._idle: list[_Kept] = []
        self._calls: set[Call] = set()
        self._making: asyncio.Task[None] | None = None
        self._complaints = Seldom()
        self._closed = False

    def begin(
        self, request: RawRequestMessage, client: Asker, *, ip: str, peer: str
    ) -> Call | None:
        """Send a request without a body, which came over a connection from `peer`, for a client of
        the address `ip`; None: it goes the other way."""
        transport = client.transport
        if request.method != "GET" or request.version != HttpVersion11 or transport is None:
            return None
        if not request.path.isascii():
            return None
        kept = self._ready()
        if kept is None or kept.transport is None:
            return None
        secure = transport.get_extra_info("sslcontext") is not None
        headers = request_headers(request.headers, ip=ip, peer=peer, secure=secure)
        if "Host" not in headers:  # or `Connection` names it
            return None
        try:
            message = head(f"GET {request.path} HTTP/1.1", headers)
        except ValueError:
            return None
        if not self._places.take(ip):
            return None
        self._idle.remove(kept)
        call = Call(self, kept, client, request, ip)
        self._calls.add(call)
        kept.transport.write(message)
        self._make_ready()
        return call

    def _ready(self) -> _Kept | None:
        """An idle connection; there may be none."""
        if len(self._calls) < MAX_CALLS:
            for kept in reversed(self._idle):
                if kept.transport is not None and not kept.transport.is_closing():
                    return kept
        self._make_ready()
        return None

    async def close(self) -> None:
        self._closed = True
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        for call in tuple(self._calls):
            call.cancel()
        for kept in self._idle:
            kept.abort()
        self._idle.clear()

    # Of calls and connections

    def kept(self, kept: _Kept) -> None:
        """A new connection."""
        if self._closed:
            kept.abort()
        else:
            self._idle.append(kept)

    def lost(self, kept: _Kept) -> None:
        with contextlib.suppress(ValueError):  # a call was on it
            self._idle.remove(kept)

    def over(self, kept: _Kept) -> None:
        """The answer of a call has come to its end."""
        transport = kept.transport
        closing = transport is None or transport.is_closing() or not kept.may_stay
        if closing or self._closed or len(self._idle) >= MAX_IDLE:
            kept.abort()
        else:
            self._idle.append(kept)

    def ended(self, call: Call) -> None:
        self._calls.discard(call)
        self._places.give(call.ip)
        if call.status and self._requests is not None and self._requests.enabled:
            asked = (call.request.method, call.request.path, call.request.version)
            seconds = asyncio.get_running_loop().time() - call.began
            answered = (call.status, call.size)
            self._requests.add(text(call.ip, call.request.headers, asked, answered, seconds))

    def complain(self, call: Call, why: str) -> None:
        if (tail := self._complaints.tail(call.ip)) is not None:
            path = call.request.path.partition("?")[0]
            log.warning("API at %s %s: %s%s", call.request.method, path, why, tail)

    def _make_ready(self) -> None:
        """See to it that who asks next finds an idle connection."""
        if len(self._idle) >= SPARE or self._closed:
            return
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make(), name="connections to the API")

    async def _make(self) -> None:
        loop = asyncio.get_running_loop()
        # Without the supervisor: who asks meanwhile is told so by `ApiProxy.forward`.
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                for _ in range(SPARE - len(self._idle)):
                    await loop.create_unix_connection(lambda: _Kept(loop, self), str(self._path))
