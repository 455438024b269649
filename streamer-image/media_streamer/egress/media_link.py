"""The connection of this worker to one media worker, shared by everything between the two.

A media worker may die at any time (it owns FFmpeg). The link then tells every taker `on_lost`,
connects again for as long as it takes, and repeats the standing subscriptions under their old
numbers; what was under way once (a publisher, a preview) is not repeated, its owner decides.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from media_streamer.wire.channel import Channel, ChannelClosed, connect
from media_streamer.wire.media import (
    EGRESS_SIDE,
    FromEgress,
    FromMedia,
    Pace,
    Replay,
    Seek,
    Subscribe,
    Taken,
    Unsubscribe,
    WantKeyFrame,
)

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.05
LAST_RETRY_SECONDS = 0.5
CONNECT_TIMEOUT_SECONDS = 2.0


class Taker(Protocol):
    """Gets the messages that answer one subscription or request."""

    def on_message(self, message: FromMedia) -> None:
        """One message of the media worker; must not wait."""

    def on_lost(self) -> None:
        """The media worker is gone; nothing that it said before holds any more."""


class MediaLink:
    """One channel to the media worker that listens at `path`; its receiver."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._channel: Channel[FromEgress, FromMedia] | None = None
        self._numbers = itertools.count(1)
        self._takers: dict[int, Taker] = {}
        self._standing: dict[int, Subscribe] = {}
        self._connected = asyncio.Event()
        self._lost = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"media link {path.parent.name}")

    def subscribe(
        self,
        stream: str,
        format_name: str,
        taker: Taker,
        *,
        tracks: tuple[str, ...] = (),
        pinned: bool = False,
        keeps_running: bool = True,
        interval_ms: int = 0,
        replay: Replay | None = None,
    ) -> int:
        """Take a format of a stream until `release`; survives restarts of the media worker.

        `tracks`: names of those wanted, empty for all. `pinned` and `keeps_running` are for what is
        no viewer; see `Subscribe`. `interval_ms`: for how long what happens may be gathered, 0: as
        is right for the format. `replay`: take this time of the archive instead; it is not begun
        again when the media worker is.
        """
        number = next(self._numbers)
        message = Subscribe(
            number,
            stream,
            format_name,
            tracks,
            pinned,
            keeps_running,
            interval_ms,
            replay=replay,
        )
        self._takers[number] = taker
        self._standing[number] = message
        self.send(message)
        return number

    def taken(self, number: int, total: int) -> None:
        """So many bytes of a replay have gone to the viewer."""
        self.send(Taken(number, total))

    def seek(self, wanted: Seek) -> None:
        """Go on with a replay elsewhere, or otherwise."""
        self.send(wanted)

    def pace(self, number: int, interval_ms: int) -> None:
        """What a subscription gets may be gathered for so long from now on."""
        if message := self._standing.get(number):
            self._standing[number] = replace(message, interval_ms=interval_ms)
            self.send(Pace(number, interval_ms))

    def request_key_frame(self, number: int) -> None:
        """Whoever takes a subscription needs a key frame soon."""
        self.send(WantKeyFrame(number))

    def repeat(self, number: int) -> None:
        """Send a standing subscription again, after the media worker had ended it."""
        if message := self._standing.get(number):
            self.send(message)

    def request(self, make: Callable[[int], FromEgress], taker: Taker) -> int:
        """Send what `make` makes of a new number; its answers go to `taker` until `release`."""
        number = next(self._numbers)
        self._takers[number] = taker
        if not self.send(make(number)):
            self._takers.pop(number, None)
            raise ChannelClosed(f"no media worker at {self.path.parent.name}")
        return number

    def release(self, number: int) -> None:
        """Stop taking; the media worker hears of it if it was a subscription."""
        self._takers.pop(number, None)
        if self._standing.pop(number, None):
            self.send(Unsubscribe(number))

    def send(self, message: FromEgress) -> bool:
        """Send now; False if there is no connection (subscriptions are repeated later anyway)."""
        if self._channel is None:
            return False
        try:
            self._channel.send(message)
        except ChannelClosed as error:
            log.warning("media worker at %s: %s", self.path.parent.name, error)
            return False
        return True

    @property
    def is_full(self) -> bool:
        """The media worker has not taken enough of what was sent."""
        return self._channel is not None and self._channel.is_full

    async def drain(self) -> None:
        """Wait until the media worker has taken most of what was sent; raises ChannelClosed."""
        if self._channel is None:
            raise ChannelClosed("media worker is gone")
        await self._channel.drain()

    async def wait_connected(self, timeout_seconds: float) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            await self._connected.wait()

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def on_message(self, message: FromMedia) -> None:
        taker = self._takers.get(message.id)
        if taker is not None:
            taker.on_message(message)

    def on_closed(self, reason: str) -> None:
        name = self.path.parent.name
        log.warning("media worker at %s is gone (%s); connecting again", name, reason)
        self._channel = None
        self._connected.clear()
        self._lost.set()
        for number, taker in list(self._takers.items()):
            if number not in self._standing:
                self._takers.pop(number, None)
            taker.on_lost()

    async def _run(self) -> None:
        retry_seconds, told = FIRST_RETRY_SECONDS, False
        while True:
            self._lost.clear()
            try:
                channel = await connect(
                    self.path, EGRESS_SIDE, self, timeout_seconds=CONNECT_TIMEOUT_SECONDS
                )
            except (OSError, TimeoutError) as error:
                if retry_seconds == LAST_RETRY_SECONDS and not told:
                    told, name = True, self.path.parent.name
                    why = str(error) or "no answer"
                    log.warning("media worker at %s is not there (%s); trying on", name, why)
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(2 * retry_seconds, LAST_RETRY_SECONDS)
                continue
            told = False
            connected_at = asyncio.get_running_loop().time()
            try:
                self._begin(channel)
                await self._lost.wait()
            finally:
                await channel.close()
            lasted = asyncio.get_running_loop().time() - connected_at
            if lasted > LAST_RETRY_SECONDS:
                retry_seconds = FIRST_RETRY_SECONDS
            else:
                # It takes connections and ends them: one of another version, or one that starts.
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(2 * retry_seconds, LAST_RETRY_SECONDS)

    def _begin(self, channel: Channel[FromEgress, FromMedia]) -> None:
        if channel.closed:
            return
        self._channel = channel
        self._connected.set()
        for message in self._standing.values():
            self.send(message)
