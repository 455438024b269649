"""A proxy in front of a real API server that fails on purpose: the storms of a control plane.

It refuses, cuts, delays and breaks watches as it is told, and counts what it was asked. What is not
in a storm passes unchanged, so that a test sees the real server's behaviour before and after.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import aiohttp
from aiohttp import web

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
READS = frozenset({"GET"})
TLS_CLOSE_SECONDS = 0.25
LEASES = "/leases"
_END_TO_END = ("Authorization", "Accept", "Content-Type")
WatchEnd = Literal["half an event", "cut", "410", "500"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a share of the requests of some methods."""

    status: int = 0
    """HTTP status of the refusal; 0 with `delay` 0: the connection is cut without an answer."""
    delay: float = 0.0
    """Seconds until the connection is cut, in place of an answer: a server that hangs."""
    share: float = 1.0
    methods: frozenset[str] = WRITES | READS
    retry_after: int = 0
    """Seconds, in the header of a refusal; 0 for none."""
    only: str = ""
    """Of requests with this in their path or query."""


class ChaosProxy:
    """`async with`, then `url`. `faults` are tried in their order; the first that hits is used."""

    def __init__(self, upstream: str, seed: int = 1) -> None:
        self._upstream = upstream
        self._random = random.Random(seed)
        self._watches: dict[asyncio.Future[WatchEnd], str] = {}
        """The open watches: what ends each, and its path."""
        self._stack = contextlib.AsyncExitStack()
        self.faults: list[Fault] = []
        self.requests: list[tuple[float, str, str]] = []
        """(monotonic seconds, method, path) of each request, those of Leases left out."""
        self.failed = Counter[int]()
        """Requests that met a fault, by its status."""
        self.url = ""

    async def __aenter__(self) -> Self:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=False, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            auto_decompress=False,
        )
        self._session = await self._stack.enter_async_context(session)
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.break_watches("cut")
        await self._stack.aclose()
        # aiohttp does not wait for the end of its TLS connections ("Graceful shutdown", its docs).
        await asyncio.sleep(TLS_CLOSE_SECONDS)

    def break_watches(self, end: WatchEnd) -> int:
        """End all watches that are open now; how many they were."""
        ended = list(self._watches)
        for watch in ended:
            if not watch.done():
                watch.set_result(end)
        return len(ended)

    def watches(self, part: str) -> bool:
        """Whether a watch with `part` in its path is open, so that it can be broken."""
        return any(part in path for path in self._watches.values())

    def count(self, methods: frozenset[str], since: float, until: float = float("inf")) -> int:
        """Requests that came in a span of monotonic seconds, watches and Leases left out."""
        return sum(since <= at < until and method in methods for at, method, _ in self.requests)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        watches = request.query.get("watch") == "true"
        if LEASES not in request.path and not watches:
            self.requests.append((time.monotonic(), request.method, request.path))
        for fault in self.faults:
            if self._hits(fault, request):
                self.failed[fault.status] += 1
                return await self._fail(fault, request)
        return await self._pass_on(request, watches)

    def _hits(self, fault: Fault, request: web.Request) -> bool:
        meant = request.method in fault.methods and fault.only in request.raw_path
        return meant and self._random.random() < fault.share

    async def _fail(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        if not fault.status:
            await asyncio.sleep(fault.delay)
            return _cut(request)
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
        text = json.dumps(_status(fault.status))
        return web.Response(
            status=fault.status, text=text, headers=headers, content_type="application/json"
        )

    async def _pass_on(self, request: web.Request, watches: bool) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _END_TO_END if name in request.headers}
        try:
            async with self._session.request(
                request.method,
                self._upstream + request.raw_path,
                headers=headers,
                data=await request.read() or None,
                # Lists above 128 KiB would come compressed.
                skip_auto_headers=["Content-Type", "Accept-Encoding"],
            ) as answer:
                if watches and answer.status == 200:
                    return await self._watch(request, answer)
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.content_type,
                )
        except (aiohttp.ClientError, TimeoutError):
            return _cut(request)

    async def _watch(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        ending: asyncio.Future[WatchEnd] = asyncio.get_running_loop().create_future()
        self._watches[ending] = request.path
        passing = asyncio.ensure_future(self._pass_events(answer, response))
        try:
            await asyncio.wait([passing, ending], return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                return await _end(ending.result(), request, response)
            passing.result()
        except (aiohttp.ClientError, ConnectionError):
            return _cut(request)
        finally:
            del self._watches[ending]
            passing.cancel()
        return response

    @staticmethod
    async def _pass_events(answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        async for data in _chunks(answer):
            await response.write(data)


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    while data := await answer.content.readany():
        yield data


async def _end(
    end: WatchEnd, request: web.Request, response: web.StreamResponse
) -> web.StreamResponse:
    match end:
        case "cut":
            return _cut(request)
        case "half an event":
            await response.write(b'{"type":"MODIFIED","object":{"metadata":{"na')
        case status:
            event = {"type": "ERROR", "object": _status(int(status))}
            await response.write(json.dumps(event).encode() + b"\n")
    await response.write_eof()
    return response


def _cut(request: web.Request) -> web.Response:
    """The client sees a reset or an end in the middle, not an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _status(code: int) -> dict[str, object]:
    reasons = {410: "Expired", 429: "TooManyRequests", 503: "ServiceUnavailable"}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reasons.get(code, "InternalError"),
        "message": "a storm",
        "code": code,
    }
