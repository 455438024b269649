"""One life of kopf: a thread with an event loop of its own. The only module that imports kopf.

Used: `on.event`, `on.login`, `on.cleanup`, `AiohttpSession`, `OperatorSettings`, `operator()`. Not
used, and why: indexes (quadratic in the objects of a list), annotations and finalizers (objects are
their owners'), peering (a Lease elects), posting and scanning (nobody asked).
"""

import asyncio
import contextlib
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import kopf
from media_kube.client import (
    LIST_CHUNK,
    REQUEST_TIMEOUT_SECONDS,
    TLS_CLOSE_SECONDS,
    WATCH_TIMEOUT_SECONDS,
    Kind,
    KubeClient,
)

from media_operator.watch.flow import Change, Flow
from media_operator.watch.kinds import SELECTORS
from media_operator.watch.session import RETRY_SECONDS, Feed, Health

MAX_WAITING = 5000
"""Changes that the main loop has not taken yet; then kopf's handlers wait."""
FULL_SECONDS = 0.01
CANCEL_TIMES = 5
CANCEL_SECONDS = 0.3
log = logging.getLogger(__name__)


class Bridge:
    """From kopf's thread to the main loop, in order, one wake-up for many changes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[Change], None]) -> None:
        self._loop = loop
        self._take = take
        self._waiting: deque[Change] = deque()
        self._woken = False
        self._open = True

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= MAX_WAITING

    def tell(self, change: Change) -> None:
        """From kopf's thread."""
        self._waiting.append(change)
        if not self._woken and self._open:
            self._woken = True
            self._loop.call_soon_threadsafe(self._drain)

    def close(self) -> None:
        """From the main loop: nothing of this life is taken any more."""
        self._open = False
        self._waiting.clear()

    def _drain(self) -> None:
        # First: what is told from here on wakes again, or is taken below.
        self._woken = False
        while self._open and self._waiting:
            self._take(self._waiting.popleft())


class Life:
    """kopf from its start to its end, whatever ends it. Made and used in the main loop."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str | None,
        take: Callable[[Change], None],
        health: Health,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._main = asyncio.get_running_loop()
        self._bridge = Bridge(self._main, take)
        self._flows = {kind: Flow(kind.kind, self._bridge.tell) for kind in SELECTORS}
        self._feed = Feed(
            {kind.path(namespace): flow for kind, flow in self._flows.items()}, health
        )
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_drop)
        self._over = asyncio.Event()
        self._sessions: list[aiohttp.ClientSession] = []
        self.ended: asyncio.Future[BaseException | None] = self._main.create_future()
        """Done at the end of the thread, with what ended it."""
        # kopf logs each attempt of each request; what there is to say is said by `session.py`.
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._thread.start()

    def silent(self, since: float) -> list[str]:
        """Kinds that kopf neither heard of nor asked for since then (monotonic seconds)."""
        return sorted(kind.kind for kind, flow in self._flows.items() if flow.heard < since)

    async def end(self, within: float) -> bool:
        """End it; whether it did in so many seconds. Nothing of it is taken any more."""
        self._bridge.close()
        with contextlib.suppress(RuntimeError):  # it ended by itself
            self._loop.call_soon_threadsafe(self._over.set)
        await asyncio.wait([self.ended], timeout=within)
        return self.ended.done()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._loop.run_until_complete(self._operate())
        except BaseException as caught:
            error = caught
        finally:
            self._loop.close()
        with contextlib.suppress(RuntimeError):  # the program ended meanwhile
            self._main.call_soon_threadsafe(self._tell_end, error)

    def _tell_end(self, error: BaseException | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)

    async def _operate(self) -> None:
        everywhere = self._namespace is None
        operator = asyncio.create_task(
            kopf.operator(
                registry=self._registry(),
                settings=_settings(),
                standalone=True,
                clusterwide=everywhere,
                namespaces=[] if self._namespace is None else [self._namespace],
            )
        )
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait([operator, over], return_when=asyncio.FIRST_COMPLETED)
            if operator.done():
                operator.result()
        finally:
            self._feed.over = True
            await _cancel_all()
            await self._loop.shutdown_asyncgens()
            for session in self._sessions:
                await session.close()
            # aiohttp does not wait for the end of its connections ("Graceful shutdown", its docs).
            await asyncio.sleep(TLS_CLOSE_SECONDS)

    async def _clean_up(self, **_: Any) -> None:
        """kopf is ending, whatever for; the end of its own teardown may take 5 s or for ever."""
        self._feed.over = True
        self._over.set()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._log_in)
        kopf.on.cleanup(registry=registry)(self._clean_up)
        for kind, flow in self._flows.items():
            kopf.on.event(*_names(kind), registry=registry)(self._handler(flow))
        return registry

    async def _log_in(self, **_: Any) -> kopf.AiohttpSession:
        # Again after a 401: with the token as it is now, and not in a tight loop.
        if self._sessions:
            await asyncio.sleep(RETRY_SECONDS[min(len(self._sessions), len(RETRY_SECONDS)) - 1])
        session = self._client.session(
            response_class=self._feed.response_class(), trace_configs=[self._feed.tracing()]
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(server=self._client.server, aiohttp_session=session)

    def _handler(self, flow: Flow) -> Callable[..., Any]:
        async def came(event: kopf.RawEvent, **_: Any) -> None:
            while self._bridge.is_full:  # noqa: ASYNC110 - another thread empties it
                await asyncio.sleep(FULL_SECONDS)
            flow.came_out(event["type"], dict(event["object"]))

        return came


async def _cancel_all() -> None:
    """All other tasks of this loop, which is kopf's alone; some need it said more than once."""
    for _ in range(CANCEL_TIMES):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)


def _drop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Callbacks and tasks that kopf leaves behind at its end."""
    log.debug("left behind: %s", context.get("message"))


class _Endless:
    """Waits between the attempts of a request: the last one again and again.

    An API server that is away for long is no reason to end.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain(RETRY_SECONDS, itertools.repeat(RETRY_SECONDS[-1]))


def _names(kind: Kind) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    # The default kills the process some time after the end of a life.
    settings.process.ultimate_exiting_timeout = None
    settings.posting.enabled = False
    settings.scanning.disabled = True
    # Each object of a list has a task until it was idle for so long (default 5 s: twenty thousand).
    settings.queueing.idle_timeout = 0.05
    settings.queueing.exit_timeout = 0.5
    settings.networking.request_timeout = REQUEST_TIMEOUT_SECONDS
    settings.networking.connect_timeout = REQUEST_TIMEOUT_SECONDS
    settings.networking.error_backoffs = _Endless()
    settings.watching.server_timeout = WATCH_TIMEOUT_SECONDS
    settings.watching.chunk_size = LIST_CHUNK
    for kind, selector in SELECTORS.items():
        if selector:
            settings.watching.label_selectors[_names(kind)] = selector
    return settings
