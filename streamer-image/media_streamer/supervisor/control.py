"""control.sock: the channels of the workers, from hello to their end.

Invariant: a channel belongs to a process that the supervisor started or took over, by kind and
identifier, and by the process id and user that the kernel tells of it, not by what it says;
anything else on the socket is refused.
"""

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from media_streamer.wire.channel import AnyChannel, Channel, ChannelClosed, listen
from media_streamer.wire.control import (
    SUPERVISOR_SIDE,
    EgressSettings,
    Hello,
    MediaSettings,
    WorkerKind,
)
from media_streamer.wire.peer import Notice, Peer

log = logging.getLogger(__name__)

HELLO_SECONDS = 60.0
"""Workers that live already say it before the configuration is read, and wait for their answer."""


@dataclass(slots=True, eq=False)
class Connection:
    """A worker's control channel."""

    kind: WorkerKind
    id: str
    pid: int
    peer: Peer

    @property
    def name(self) -> str:
        return f"{self.kind} worker {self.id}"

    def notify(self, notice: Notice) -> None:
        """Send a notice; a worker that is gone misses nothing, it starts anew."""
        try:
            self.peer.notify(notice)
        except ChannelClosed as error:
            log.debug("%s: %s not sent: %s", self.name, type(notice).__name__, error)


class Handlers(Protocol):
    """Who answers the workers."""

    def accept(self, hello: Hello, pid: int) -> str:
        """Empty if this process is that worker of this server, else why it is not."""

    def met_foreigner(self, pid: int) -> None:
        """A process of ours that connects is of another version of the program."""

    async def greet(self, connection: Connection, hello: Hello) -> EgressSettings | MediaSettings:
        """Answer to `Hello`."""

    async def connected(self, connection: Connection) -> None:
        """After the answer to `Hello` was sent."""

    def disconnected(self, connection: Connection) -> None: ...

    def attend(self, connection: Connection) -> None:
        """Set up what this kind of worker may say."""


class ControlServer:
    """Listens on control.sock."""

    def __init__(self, path: Path, handlers: Handlers) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        self._server = await listen(self._path, self._accept)
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def _accept(self) -> AnyChannel:
        peer = Peer("a process on the control socket")
        peer.channel = Channel(SUPERVISOR_SIDE, peer)
        serving = asyncio.create_task(self._serve(peer), name="control channel")
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        return peer.channel

    async def _serve(self, peer: Peer) -> None:
        greeted: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

        async def hello(said: Hello) -> EgressSettings | MediaSettings:
            pid, uid = peer.channel.credentials
            reason = "it said that before" if greeted.done() else self._handlers.accept(said, pid)
            if uid != os.geteuid():
                reason = f"user {uid} runs it"
            if reason:
                text = f"{said.kind} worker {said.id} (pid {pid}) is not taken: {reason}"
                log.warning("%s", text)
                raise PermissionError(text)
            connection = Connection(said.kind, said.id, pid, peer)
            peer.name = connection.name
            self._handlers.attend(connection)
            settings = await self._handlers.greet(connection, said)
            greeted.set_result(connection)
            return settings

        peer.answer(Hello, hello)
        living = asyncio.create_task(peer.run(), name="control channel")
        connection: Connection | None = None
        try:
            waited: set[asyncio.Future[Any]] = {greeted, living}
            await asyncio.wait(waited, timeout=HELLO_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not greeted.done():
                foreigner = peer.channel.foreigner
                if foreigner is not None and foreigner.uid == os.geteuid():
                    self._handlers.met_foreigner(foreigner.pid)
                else:
                    log.warning("a process on the control socket did not say who it is: closed")
                return
            connection = greeted.result()
            log.info("%s is there, pid %s", connection.name, connection.pid)
            await self._handlers.connected(connection)
            await living
        finally:
            living.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await living
            if connection is not None:
                self._handlers.disconnected(connection)
