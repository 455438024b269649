"""kopf's HTTP session: what would end kopf becomes what it survives.

kopf 1.45 ends at an ERROR event other than 410, and at half a line. So an ERROR of a watch is
handed on as 410, which makes kopf list anew, and half a line as a broken connection, which makes it
go on from the last version. Both wait a moment, longer each time in a row: a server in trouble is
not asked for lists of ten thousand objects ten times a second. `Flow` learns what is read.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol, Self, cast

import aiohttp
from media_kube.client import REQUEST_TIMEOUT_SECONDS, log_level

from media_operator.watch.flow import Flow

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SHORT_SECONDS = 1.0
"""A watch that the server ends sooner is not opened again at once."""
_TYPE = re.compile(rb'\s*\{\s*"type"\s*:\s*"([A-Z]+)"')
_OBJECTS = frozenset({"ADDED", "MODIFIED", "DELETED"})
_NO_LIST = (aiohttp.ContentTypeError, ValueError, LookupError, TypeError, AttributeError)
"""What JSON of another shape raises, and what is none."""
_GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'


class Health(Protocol):
    """Who is told how the API server does; called from kopf's thread."""

    def alive(self) -> None:
        """It answered as it should."""

    def away(self) -> None:
        """It did not, and this program knows it."""


class Feed:
    """What the responses of one session have in common."""

    def __init__(self, flows: Mapping[str, Flow], health: Health) -> None:
        """`flows` by the path that the API server has the kind at."""
        self._flows = flows
        self.health = health
        self._failures: dict[str, int] = {}
        self.over = False
        """This life ends: what fails from here on fails for that."""

    def flow(self, path: str) -> Flow | None:
        """Of the kind that is listed or watched at `path`; None for another request."""
        return next((flow for end, flow in self._flows.items() if path.endswith(end)), None)

    def answers(self, path: str) -> None:
        """A list or a watch at `path` began as it should."""
        self._touch(path)
        self.health.alive()

    def well(self, path: str) -> None:
        """`path` answers as it should."""
        self._failures.pop(path, None)
        self.answers(path)

    def trouble(self, path: str, cause: str) -> float:
        """Log a failure of `path`, few lines for many; seconds to wait before the next try."""
        if self.over:
            return 0.0
        self._touch(path)
        self.health.away()
        failures = self._failures.get(path, 0) + 1
        self._failures[path] = failures
        log.log(log_level(failures), "%s: %s, %d times now", path, cause, failures)
        return RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1]

    def _touch(self, path: str) -> None:
        """Without what the server serves at all, no kind can be followed."""
        flow = self.flow(path)
        for one in self._flows.values() if flow is None else (flow,):
            one.touch()

    def response_class(self) -> type[aiohttp.ClientResponse]:
        """For aiohttp.ClientSession."""
        return type("FedResponse", (_Response,), {"feed": self})

    def tracing(self) -> aiohttp.TraceConfig:
        """Tells of requests that are refused or find nobody."""
        tracing = aiohttp.TraceConfig()
        tracing.on_request_end.append(self._on_end)
        tracing.on_request_exception.append(self._on_exception)
        tracing.freeze()
        return tracing

    async def _on_end(self, _: Any, __: Any, params: aiohttp.TraceRequestEndParams) -> None:
        if params.response.status >= 400:
            reason = f"{params.response.status} {params.response.reason}"
            self.trouble(params.url.path, reason)

    async def _on_exception(
        self, _: Any, __: Any, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if isinstance(params.exception, Exception):  # a cancelled request is no trouble
            cause = str(params.exception) or type(params.exception).__name__
            self.trouble(params.url.path, cause)


class _Response(aiohttp.ClientResponse):
    feed: Feed

    async def start(self, connection: Any) -> Self:
        path = self.url.path
        flow = self.feed.flow(path)
        if flow is None or "watch" not in self.url.query:
            await super().start(connection)
            return self
        # kopf gives a watch no limit, and would wait 70 s for a server that takes it and is silent.
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
            await super().start(connection)
        if self.status == 200:
            self.feed.answers(path)
            lines = _WholeLines(self.content, self.feed, flow, path)
            self.content = cast(aiohttp.StreamReader, lines)
        return self

    async def json(self, **options: Any) -> Any:
        flow = self.feed.flow(self.url.path)
        if flow is None or self.status != 200:
            return await super().json(**options)
        try:
            data = await super().json(**options)
            keys = [
                (item["metadata"].get("namespace", ""), item["metadata"]["name"])
                for item in data["items"]
            ]
            last = not data["metadata"].get("continue")
        except _NO_LIST as error:
            # Of what stands between. It would end kopf; so it is a list that broke off.
            cause = f"the answer is no list ({type(error).__name__}: {error})"
            await asyncio.sleep(self.feed.trouble(self.url.path, cause))
            raise aiohttp.ClientPayloadError(cause) from error
        self.feed.answers(self.url.path)
        await flow.chunk(keys, first="continue" not in self.url.query, last=last)
        return data


class _WholeLines:
    """The content of a watch for kopf, which reads it by `iter_chunked`."""

    def __init__(self, content: aiohttp.StreamReader, feed: Feed, flow: Flow, path: str) -> None:
        self._content = content
        self._feed = feed
        self._flow = flow
        self._path = path
        self._opened = asyncio.get_running_loop().time()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """The lines, each whole. Raises ClientPayloadError where one is not."""
        rest: list[bytes] = []
        try:
            async for data in self._content.iter_chunked(size):
                *ends, last = data.split(b"\n")
                for end in ends:
                    line = b"".join([*rest, end, b"\n"])
                    rest = []
                    yield await self._checked(line)
                if last:
                    rest.append(last)
        except aiohttp.ClientError as error:
            await self._pause(str(error))
            raise
        if rest:
            await self._pause("the connection ended within an event")
            raise aiohttp.ClientPayloadError("half an event")
        if asyncio.get_running_loop().time() - self._opened < SHORT_SECONDS:
            await self._pause("the watch ended at once")

    async def _checked(self, line: bytes) -> bytes:
        try:
            found = _TYPE.match(line)
            kind = found[1].decode() if found else str(json.loads(line)["type"])
        except (ValueError, LookupError, TypeError):
            await self._pause("the server sent what is no event")
            return _GONE
        if kind == "ERROR":
            await self._pause(_cause(line))
            return _GONE
        self._feed.well(self._path)
        if kind in _OBJECTS:
            await self._flow.event()
        return line

    async def _pause(self, cause: str) -> None:
        await asyncio.sleep(self._feed.trouble(self._path, cause))


def _cause(line: bytes) -> str:
    try:
        status = json.loads(line)["object"]
        return f"{status.get('code')} {status.get('reason')}: {status.get('message')}"
    except (ValueError, LookupError, TypeError, AttributeError):
        return "the server sent an error"
