"""The transcoders of a media worker: who needs one, and which process is whose.

Role: listens on `transcoders-N.sock`, gives each process that comes to the stream it is for, and
tells the supervisor which streams need one (a media worker may start no programs, `cage.py`).

Invariants: a stream has at most one process; a process that nobody needs is told so by the end of
its channel. One that is given back is kept for a moment, for a stream that is configured anew wants
one again at once.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from media_streamer.wire.channel import Channel, ChannelClosed, listen
from media_streamer.wire.control import TranscodersWanted
from media_streamer.wire.transcoding import MEDIA_SIDE, FromMedia, FromTranscoder, Ready

log = logging.getLogger(__name__)

KEEP_SECONDS = 2.0
READY_SECONDS = 10.0
MAX_PENDING_BYTES = 48 * 1024 * 1024

TranscoderChannel = Channel[FromMedia, FromTranscoder]


class User(Protocol):
    """A stage that has a transcoder, or waits for one."""

    def connected(self, process: "Process") -> None:
        """There is one, which knows nothing yet."""

    def heard(self, message: FromTranscoder) -> None: ...

    def lost(self, reason: str) -> None:
        """It is gone; the next one may come."""


class Process:
    """A connected transcoder: the receiver of its channel."""

    def __init__(self, owner: "Transcoders") -> None:
        self.channel: TranscoderChannel = Channel(
            MEDIA_SIDE, self, max_pending_bytes=MAX_PENDING_BYTES
        )
        self.stream = ""
        self.pid = 0
        self._owner = owner
        self._deadline = asyncio.get_running_loop().call_later(READY_SECONDS, self._unknown)

    def send(self, message: FromMedia) -> None:
        """What cannot be sent is lost, as the process is then."""
        try:
            self.channel.send(message)
        except ChannelClosed as error:
            log.debug("transcoder of %s: %s", self.stream, error)

    def on_message(self, message: FromTranscoder) -> None:
        if isinstance(message, Ready):
            self._deadline.cancel()
            self.stream, self.pid = message.stream, self.channel.credentials.pid
            self._owner.came(self)
        else:
            self._owner.heard(self, message)

    def on_closed(self, reason: str) -> None:
        self._deadline.cancel()
        self._owner.left(self, reason)

    def _unknown(self) -> None:
        self.channel.abort("it did not say whose transcoder it is")


class Transcoders:
    """Of one media worker. `tell` tells the supervisor, if there is one."""

    def __init__(self, tell: Callable[[TranscodersWanted], None]) -> None:
        self._tell = tell
        self._users: dict[str, User | None] = {}
        """By stream; None: given back a moment ago."""
        self._processes: dict[str, Process] = {}
        self._said: dict[str, int] | None = None
        self._server: asyncio.Server | None = None

    async def start(self, socket: Path) -> None:
        """Listen; raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(socket)
        self._server = await listen(socket, lambda: Process(self).channel)
        os.chmod(socket, 0o600)

    def close(self) -> None:
        """All processes end."""
        if self._server is not None:
            self._server.close()
        self._users.clear()
        for process in list(self._processes.values()):
            process.channel.abort("the media worker ends")

    def tell_all(self) -> None:
        """There is a supervisor that knows nothing yet."""
        self._said = None
        self._update()

    def want(self, stream: str, user: User) -> None:
        """From now on `user` needs a transcoder for this stream."""
        self._users[stream] = user
        self._update()
        process = self._processes.get(stream)
        if process is not None:
            user.connected(process)

    def release(self, stream: str, user: User) -> None:
        """`user` needs it no more."""
        if self._users.get(stream) is user:
            self._users[stream] = None
            asyncio.get_running_loop().call_later(KEEP_SECONDS, self._forget, stream)

    # From the processes

    def came(self, process: Process) -> None:
        stream = process.stream
        if stream not in self._users or stream in self._processes:
            process.channel.abort("nobody needs it")
            return
        self._processes[stream] = process
        log.info("stream %s: its transcoder is there, pid %d", stream, process.pid)
        self._update()
        user = self._users[stream]
        if user is not None:
            user.connected(process)

    def heard(self, process: Process, message: FromTranscoder) -> None:
        user = self._users.get(process.stream)
        if user is not None and self._processes.get(process.stream) is process:
            user.heard(message)

    def left(self, process: Process, reason: str) -> None:
        stream = process.stream
        if self._processes.get(stream) is not process:
            return
        del self._processes[stream]
        user = self._users.get(stream)
        if user is not None:
            log.error("stream %s: its transcoder is gone: %s", stream, reason)
            user.lost(reason)
        self._update()

    def _forget(self, stream: str) -> None:
        if self._users.get(stream, self) is not None:
            return  # wanted again, or forgotten already
        del self._users[stream]
        self._update()
        process = self._processes.pop(stream, None)
        if process is not None:
            process.channel.abort("nobody needs it any more")

    def _update(self) -> None:
        wanted = {
            stream: process.pid if (process := self._processes.get(stream)) else 0
            for stream in self._users
        }
        if wanted != self._said:
            self._said = wanted
            self._tell(TranscodersWanted(wanted))
