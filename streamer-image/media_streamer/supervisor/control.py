"""control.sock: the channels of the workers, from hello to their end.

Invariant: a channel belongs to a process that the supervisor started, by kind, identifier and
process id; anything else on the socket is refused.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from media_streamer.wire import untyped as ipc

log = logging.getLogger(__name__)

HELLO_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class Connection:
    """A worker's control channel."""

    kind: str
    id: str
    pid: int
    peer: ipc.Peer

    @property
    def name(self) -> str:
        return f"{self.kind} worker {self.id}"

    def notify(self, op: str, **arguments: Any) -> None:
        """Send a notice; a worker that is gone misses nothing, it starts anew."""
        try:
            self.peer.notify(op, **arguments)
        except ipc.ChannelClosed as error:
            log.debug("%s: notice %s not sent: %s", self.name, op, error)


class Handlers(Protocol):
    """Who answers the workers."""

    def accept(self, kind: str, worker_id: str, pid: int) -> bool:
        """True if this is a worker that was started here."""

    def settings_for(self, connection: Connection) -> dict[str, Any]:
        """Answer to `hello`."""

    async def connected(self, connection: Connection) -> None:
        """After the answer to `hello` was sent."""

    def disconnected(self, connection: Connection) -> None: ...

    def operations(
        self, connection: Connection
    ) -> dict[str, Callable[[ipc.Message], Awaitable[Any]]]:
        """What this kind of worker may call."""


class ControlServer:
    """Listens on control.sock."""

    def __init__(self, path: Path, handlers: Handlers) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        self._server = await ipc.listen(self._path, self._serve)
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, channel: ipc.Channel) -> None:
        peer = ipc.Peer(channel)
        greeted: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

        async def hello(message: ipc.Message) -> dict[str, Any]:
            kind, worker_id = str(message.get("kind")), str(message.get("id"))
            pid = int(message.get("pid") or 0)
            if greeted.done() or not self._handlers.accept(kind, worker_id, pid):
                raise PermissionError(f"{kind} worker {worker_id} (pid {pid}) was not started here")
            connection = Connection(kind, worker_id, pid, peer)
            for op, handler in self._handlers.operations(connection).items():
                peer.on(op, handler)
            answer = self._handlers.settings_for(connection)
            greeted.set_result(connection)
            return answer

        peer.on("hello", hello)
        reading = asyncio.create_task(peer.run())
        waited: set[asyncio.Future[Any]] = {greeted, reading}
        await asyncio.wait(waited, timeout=HELLO_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not greeted.done():
            log.warning("a process on the control socket did not say who it is: closed")
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            return
        connection = greeted.result()
        log.info("%s is there, pid %s", connection.name, connection.pid)
        try:
            await self._handlers.connected(connection)
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._handlers.disconnected(connection)
