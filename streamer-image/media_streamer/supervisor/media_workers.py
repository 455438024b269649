"""What the media workers shall run, brought to them in order and one message a stream.

Invariants: for each stream at most one message is under way to a worker, and at most one waits: a
newer wish replaces an older one that was not sent yet. A worker that connects is told everything
anew, so nothing needs to be remembered for one that is away.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal, TypeVar

from media_streamer.supervisor.control import Connection
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.control import ApplyStream, MediaSettings, RemoveStream, SettingsChanged
from media_streamer.wire.peer import CallFailed, Request

log = logging.getLogger(__name__)

Payload = Callable[[str], ApplyStream | None]
"""What a worker is told of a name; None if it shall not run (any more)."""
Answer = TypeVar("Answer")
OnRefused = Callable[[str, str], None]

PARALLEL_CALLS = 8
APPLY_TIMEOUT_SECONDS = 15.0


class _Link:
    """One connected worker and what it must still be told."""

    def __init__(self, connection: Connection, payload: Payload, on_refused: OnRefused) -> None:
        self.connection = connection
        self._payload = payload
        self._on_refused = on_refused
        self._wishes: dict[str, Literal["apply", "remove"]] = {}
        self._under_way: set[str] = set()
        self._wake = asyncio.Event()
        self._told = asyncio.Condition()
        self._senders = [asyncio.create_task(self._send()) for _ in range(PARALLEL_CALLS)]

    def wish(self, name: str, what: Literal["apply", "remove"]) -> None:
        self._wishes.pop(name, None)
        self._wishes[name] = what
        self._wake.set()

    def close(self) -> None:
        for sender in self._senders:
            sender.cancel()

    @property
    def idle(self) -> bool:
        return not self._wishes and not self._under_way

    async def applied(self, name: str) -> None:
        """Wait until the worker was told what was wished for `name`."""
        async with self._told:
            await self._told.wait_for(
                lambda: name not in self._wishes and name not in self._under_way
            )

    def _next(self) -> str | None:
        for name in self._wishes:
            if name not in self._under_way:
                return name
        return None

    async def _send(self) -> None:
        while True:
            name = self._next()
            if name is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            what = self._wishes.pop(name)
            self._under_way.add(name)
            try:
                await self._tell(name, what)
            finally:
                self._under_way.discard(name)
                self._wake.set()
            async with self._told:
                self._told.notify_all()

    async def _tell(self, name: str, what: Literal["apply", "remove"]) -> None:
        peer = self.connection.peer
        try:
            if what == "remove":
                await peer.call(RemoveStream(name), timeout_seconds=APPLY_TIMEOUT_SECONDS)
                return
            request = self._payload(name)
            if request is None:
                return
            await peer.call(request, timeout_seconds=APPLY_TIMEOUT_SECONDS)
            self._on_refused(name, "")
        except CallFailed as error:
            log.error("stream %s: %s refused %s: %s", name, self.connection.name, what, error)
            if what == "apply":
                self._on_refused(name, f"the media worker refused the configuration: {error}")
        except TimeoutError:
            log.error("stream %s: %s does not answer %s", name, self.connection.name, what)
        except ChannelClosed:
            log.debug("stream %s: %s is gone, %s not sent", name, self.connection.name, what)


class MediaWorkers:
    """The connected media workers by identifier."""

    def __init__(self, payload: Payload, on_refused: OnRefused) -> None:
        self._payload = payload
        self._on_refused = on_refused
        self._links: dict[str, _Link] = {}
        self._came = asyncio.Event()

    def connected(self, connection: Connection) -> None:
        """A worker is there and knows nothing yet."""
        if (old := self._links.pop(connection.id, None)) is not None:
            old.close()
        self._links[connection.id] = _Link(connection, self._payload, self._on_refused)
        self._came.set()  # for a moment: whoever waits looks for its own worker
        self._came.clear()

    def disconnected(self, connection: Connection) -> None:
        link = self._links.get(connection.id)
        if link is not None and link.connection is connection:
            link.close()
            del self._links[connection.id]

    def __contains__(self, worker: str) -> bool:
        return worker in self._links

    async def wait_for(self, worker: str, seconds: float) -> None:
        """Wait until the worker is there. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while worker not in self:
                await self._came.wait()

    @property
    def idle(self) -> bool:
        """True if every connected worker has answered all that it was told."""
        return all(link.idle for link in self._links.values())

    def apply(self, worker: str, name: str) -> None:
        """Let the worker run the stream as it is configured now."""
        if (link := self._links.get(worker)) is not None:
            link.wish(name, "apply")

    def remove(self, worker: str, name: str) -> None:
        if (link := self._links.get(worker)) is not None:
            link.wish(name, "remove")

    async def applied(self, worker: str, name: str) -> None:
        """Wait until the worker knows the stream; raises TimeoutError."""
        if (link := self._links.get(worker)) is not None:
            async with asyncio.timeout(APPLY_TIMEOUT_SECONDS):
                await link.applied(name)

    def settings_changed(self, settings: MediaSettings) -> None:
        for link in list(self._links.values()):
            link.connection.notify(SettingsChanged(settings))

    async def call(self, worker: str, request: Request[Answer]) -> Answer:
        """A request of its own; raises ChannelClosed, CallFailed or TimeoutError."""
        link = self._links.get(worker)
        if link is None:
            raise ChannelClosed(f"media worker {worker} is not there")
        return await link.connection.peer.call(request)
