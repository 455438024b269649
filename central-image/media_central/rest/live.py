"""`/changes`: what changed, told as it happens (server-sent events, WHATWG HTML section 9.2).

An event says which resources changed or which streamers were heard of, not what they are now: the
reader asks for what it shows. Names that change again before they were sent are sent once, so a
slow reader costs what there are resources, and one that does not read at all is cut off.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterable

from aiohttp import web
from media_rest.errors import ApiError
from media_rest.route import Route

from media_central.access import Caller
from media_central.rest.access import caller_of
from media_central.rest.context import context
from media_central.rest.streams import may_see
from media_central.store.port import Kind
from media_central.streamers.link import StreamerLink

MAX_READERS = 200
SETTLE_SECONDS = 0.2
"""What comes together is told together."""
HEARTBEAT_SECONDS = 15.0
WRITE_TIMEOUT_SECONDS = 30.0
OBSERVED = "observed"
COLLECTIONS = {
    Kind.STREAM: "streams",
    Kind.STREAMER: "streamers",
    Kind.BALANCER: "load-balancers",
    Kind.AUTH_BACKEND: "auth_backends",
}
READERS = web.AppKey("readers", set)
"""Tasks of the readers."""


class Pending:
    """What a reader has not been told yet."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._wake = asyncio.Event()

    def add(self, collection: str, name: str) -> None:
        self._names.setdefault(collection, {})[name] = None
        self._wake.set()

    async def take(self, within: float) -> dict[str, list[str]]:
        """All of it, as soon as there is any; empty after `within` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._wake.wait()
            await asyncio.sleep(SETTLE_SECONDS)
        self._wake.clear()
        taken, self._names = self._names, {}
        return {collection: list(names) for collection, names in taken.items()}


async def changes(request: web.Request) -> web.StreamResponse:
    """Events until the reader goes."""
    readers = request.app[READERS]
    if len(readers) >= MAX_READERS:
        raise ApiError(
            503, "too_many_readers", f"{MAX_READERS} read already", headers={"Retry-After": "10"}
        )
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Accel-Buffering": "no",  # a proxy that collects would delay them
        }
    )
    task = asyncio.current_task()
    assert task is not None
    readers.add(task)
    try:
        await response.prepare(request)
        await _tell(request, response)
    except (ConnectionError, TimeoutError):
        pass  # the reader is gone, or does not read
    finally:
        readers.discard(task)
    return response


async def _tell(request: web.Request, response: web.StreamResponse) -> None:
    ctx, caller, pending = context(request), caller_of(request), Pending()
    wanted = set(request.query.get("collections", "").split(",")) - {""}

    def observed(link: StreamerLink) -> None:
        pending.add(OBSERVED, link.hostname)

    async def follow() -> None:
        with ctx.store.watch() as watch:
            while True:
                for kind, key in await watch.next():
                    if (collection := COLLECTIONS.get(kind)) is not None:
                        pending.add(collection, key)

    remove = ctx.fleet.on_poll(observed)
    follower = asyncio.create_task(follow(), name="changes")
    try:
        await _write(response, ": this is a stream of changes\n\n")
        while True:
            taken = await pending.take(HEARTBEAT_SECONDS)
            told = {
                collection: list(_visible(caller, collection, names))
                for collection, names in taken.items()
                if not wanted or collection in wanted
            }
            text = "".join(_event(key, names) for key, names in told.items() if names)
            await _write(response, text or ": still there\n\n")
    finally:
        remove()
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


def _visible(caller: Caller, collection: str, names: Iterable[str]) -> Iterable[str]:
    resource = "streamers" if collection == OBSERVED else collection
    return (name for name in names if may_see(caller, resource, name))


def _event(collection: str, names: list[str]) -> str:
    data = json.dumps({"collection": collection, "names": names}, separators=(",", ":"))
    kind = OBSERVED if collection == OBSERVED else "changed"
    return f"event: {kind}\ndata: {data}\n\n"


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
        await response.write(text.encode())


async def close_readers(app: web.Application) -> None:
    """Ends all, or a server that stops would wait for them."""
    readers: set[asyncio.Task[None]] = app[READERS]
    for task in list(readers):
        task.cancel()


ROUTES = (
    Route(
        "GET", "/changes", changes, "What changes, as it happens: server-sent events",
        operation="changes_get",
        query={"collections": "streams, streamers, load-balancers, auth_backends, observed"},
    ),
)  # fmt: skip
