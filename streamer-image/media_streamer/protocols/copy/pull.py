"""`copy://NAME`: the frames of another stream of this server, as they are.

Where both streams live in one media worker its frames come within the process, else from the other
worker by the socket at which the egress workers take them: no demuxer, no network, no thread. The
other stream runs for as long as it is copied.

Copies of copies are refused, in whatever worker they are: so no frame can go round in a circle.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from media_streamer.media.frame import TIME_BASE
from media_streamer.media.inputs.base import Attached, Input, InputError, InputRequest, Neighbours
from media_streamer.wire.channel import Channel, ChannelClosed, connect
from media_streamer.wire.homes import sockets_of_others
from media_streamer.wire.media import (
    EGRESS_SIDE,
    End,
    Event,
    Events,
    Frames,
    FromEgress,
    FromMedia,
    Outage,
    Subscribe,
    Tracks,
)

log = logging.getLogger(__name__)

FORMAT = "frames"
CONNECT_SECONDS = 2.0
_BASE = Fraction(1, TIME_BASE)
_REASONS = {
    "not_found": "there is no stream {} on this server",
    "disabled": "the stream {} is disabled",
    "is_a_copy": "the stream {} is a copy itself: copy what it copies",
}


def create(request: InputRequest) -> Input:
    name = request.config.url.partition("://")[2].strip("/")
    if name == request.stream:
        raise InputError("a stream cannot copy itself")
    if request.neighbours is None:
        raise InputError("copy:// needs a media worker")
    return CopyInput(request, name, request.neighbours)


class CopyInput(Input):
    """One attempt; all of it in the event loop."""

    def __init__(self, request: InputRequest, name: str, neighbours: Neighbours) -> None:
        self._receiver = request.receiver
        self._name = name
        self._neighbours = neighbours
        self._task: asyncio.Task[None] | None = None
        self._attachment: Attached | None = None
        self._links: list[_Link] = []
        self._ended = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._begin(), name=f"copy of {self._name}")

    def stop(self) -> None:
        self._end(None)

    async def _begin(self) -> None:
        try:
            if not self._attach():
                await self._subscribe()
            self._receiver.connected()
        except InputError as error:
            self._end(str(error))
        except Exception as error:
            log.exception("copy of stream %s", self._name)
            self._end(f"internal error: {type(error).__name__}")

    def _end(self, error: str | None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if self._attachment is not None:
            self._attachment.close()
        links, self._links = self._links, []
        for link in links:
            link.close()
        self._receiver.ended(error)

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Frames(frames=frames):
                    for frame in frames:
                        self._receiver.frame(
                            frame.track, frame.dts, frame.pts, frame.duration, frame.key, frame.data
                        )
                case Outage():
                    self.outage = event
                case Tracks(tracks=tracks) if tracks:
                    self._receiver.describe(tracks, [_BASE] * len(tracks))

    def _left(self, reason: str) -> None:
        words = _REASONS.get(reason, f"the stream {{}} has ended: {reason}")
        self._end(words.format(self._name))

    # Within this worker

    def _attach(self) -> bool:
        source = self._neighbours.find(self._name)
        if source is None:
            return False
        if refused := source.copy_refused:
            raise InputError(_REASONS[refused].format(self._name))
        self._attachment = source.attach(FORMAT, self._take, self._left)
        return True

    # In another worker

    async def _subscribe(self) -> None:
        """Ask all other workers: those that do not have the stream say so."""
        runtime, own = self._neighbours.runtime, self._neighbours.id
        for path in await asyncio.to_thread(sockets_of_others, runtime, "media", own):
            link = _Link(self._take, self._link_ended)
            with contextlib.suppress(OSError, TimeoutError):  # it starts, or ends
                await link.ask(path, self._name)
                self._links.append(link)
        if not self._links:
            raise InputError(_REASONS["not_found"].format(self._name))

    def _link_ended(self, link: "_Link", reason: str) -> None:
        link.close()
        if link in self._links:
            self._links.remove(link)
            if reason != "not_found" or not self._links:
                self._left(reason)


class _Link:
    """The channel to another media worker."""

    def __init__(
        self, take: Callable[[Sequence[Event]], None], on_end: Callable[["_Link", str], None]
    ) -> None:
        self._take = take
        self._on_end = on_end
        self._channel: Channel[FromEgress, FromMedia] | None = None

    async def ask(self, path: Path, name: str) -> None:
        """Subscribe there; raises OSError or TimeoutError."""
        channel = await connect(path, EGRESS_SIDE, self, timeout_seconds=CONNECT_SECONDS)
        self._channel = channel
        try:
            channel.send(Subscribe(1, name, FORMAT, copies=True))
        except ChannelClosed as error:
            raise ConnectionError(str(error)) from None

    def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            task = asyncio.ensure_future(channel.close())
            _closing.add(task)
            task.add_done_callback(_closing.discard)

    def on_message(self, message: FromMedia) -> None:
        if self._channel is None or not isinstance(message, Events):
            return
        for event in message.events:
            if isinstance(event, End):
                self._on_end(self, event.reason)
                return
        self._take(message.events)

    def on_closed(self, reason: str) -> None:
        self._on_end(self, "the media worker was restarted")


_closing: set[asyncio.Future[None]] = set()
"""Keeps channels alive until they are closed."""
