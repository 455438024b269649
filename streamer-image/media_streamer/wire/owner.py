"""A worker's way to its supervisor, which may die and come back.

Role: the control channel, made anew when it is lost, and the heartbeat.

Invariants: a worker has one supervisor at a time, and for `ORPHAN_SECONDS` none: then it ends. What
it serves does not notice. Whoever asks while there is none waits for the next one; what is only
told is not kept, as `Hello` and what follows it tell all that still holds.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from media_streamer.rounds import next_round
from media_streamer.wire import life
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.control import (
    WORKER_SIDE,
    EgressSettings,
    Heartbeat,
    Hello,
    MediaSettings,
)
from media_streamer.wire.peer import CallFailed, Notice, Peer, Request

log = logging.getLogger(__name__)

ORPHAN_SECONDS = 60.0
"""How long a worker goes on without a supervisor. A service manager starts one within seconds."""
RETRY_SECONDS = 0.2
HELLO_SECONDS = 30.0
"""The supervisor answers once it has read its configuration, which may be large."""
HEARTBEAT_SECONDS = 2.0

Answer = TypeVar("Answer")


class NotWanted(Exception):  # noqa: N818 - a state, not an error
    """There is no supervisor for this worker (any more)."""


class Owner:
    """The supervisor as a worker sees it.

    `hello` says who the worker is and what it runs; `attend` sets up a new channel; `use` takes the
    settings; `told` is called once they hold, to tell what does not stand in `Hello`.
    """

    def __init__(
        self,
        runtime: Path,
        *,
        hello: Callable[[], Hello],
        attend: Callable[[Peer], None],
        use: Callable[[EgressSettings | MediaSettings], None],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._runtime = runtime
        self._hello = hello
        self._attend = attend
        self._use = use
        self._told = told
        self._peer: Peer | None = None
        self._present = asyncio.Event()
        self._orphan_seconds = float(os.environ.get("STREAMER_ORPHAN_SECONDS") or ORPHAN_SECONDS)

    def notify(self, notice: Notice) -> None:
        """Tell the supervisor, if there is one now."""
        if self._peer is None:
            return
        try:
            self._peer.notify(notice)
        except ChannelClosed as error:
            log.debug("%s not sent: %s", type(notice).__name__, error)

    async def call(self, request: Request[Answer], *, timeout_seconds: float) -> Answer:
        """Ask the supervisor, or the next one if it dies meanwhile.

        Raises CallFailed or TimeoutError.
        """
        async with asyncio.timeout(timeout_seconds):
            while True:
                await self._present.wait()
                if self._peer is None:
                    continue
                try:
                    return await self._peer.call(request, timeout_seconds=timeout_seconds)
                except ChannelClosed:
                    # It died over the question. The next one knows nothing of it.
                    await asyncio.sleep(RETRY_SECONDS)

    async def run(self) -> None:
        """Until there is no supervisor any more. Raises NotWanted that says why."""
        while True:
            peer = await self._connect()
            try:
                await self._stay(peer)
            finally:
                self._peer = None
                self._present.clear()
                await peer.channel.close()
            log.warning(
                "the supervisor is gone: going on without it for %.0f s", self._orphan_seconds
            )

    async def _connect(self) -> Peer:
        """A channel whose settings hold."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._orphan_seconds
        while True:
            try:
                return await self._introduce()
            except CallFailed as error:
                raise NotWanted(str(error)) from error
            except (OSError, TimeoutError, ChannelClosed) as error:
                if loop.time() > deadline:
                    raise NotWanted(f"no supervisor at {self._runtime}: {error}") from error
                if not self._runtime.is_dir():  # stopped in order, and cleaned up
                    raise NotWanted(f"{self._runtime} is gone") from error
            await asyncio.sleep(RETRY_SECONDS)

    async def _introduce(self) -> Peer:
        peer = await Peer.connect(self._runtime / "control.sock", WORKER_SIDE, "the supervisor")
        try:
            self._attend(peer)
            self._use(await peer.call(self._hello(), timeout_seconds=HELLO_SECONDS))
        except BaseException:
            await peer.channel.close()
            raise
        return peer

    async def _stay(self, peer: Peer) -> None:
        self._peer = peer
        self._present.set()
        self._told()
        beating = asyncio.create_task(self._beat(), name="heartbeat")
        try:
            await peer.run()
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        while True:
            self.notify(Heartbeat())
            life.is_alive()
            await next_round(HEARTBEAT_SECONDS)
