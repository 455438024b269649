"""What a publisher sends, on its way to the media worker that runs the stream."""

import asyncio
from collections.abc import Callable

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.media_link import MediaLink
from media_streamer.egress.served_sessions import ServedSession, ServedSessions
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.media import (
    Accepted,
    End,
    Events,
    FromEgress,
    FromMedia,
    KeyFrameWanted,
    Publish,
    PublishedBytes,
    PublishedFrame,
    PublishedFrames,
    PublishedReception,
    PublishedTracks,
    PublishEnd,
    PublishForm,
    ReadPace,
    Reception,
    Refused,
    TrackSetup,
)

ACCEPT_TIMEOUT_SECONDS = 10.0
DRAIN_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 5.0

_STATUS = {"already_published": 409, "not_publishable": 403, "not_found": 404}
_TITLE = {
    "already_published": "Another publisher is sending this stream",
    "not_publishable": "The stream has no publish:// input",
    "not_found": "There is no such stream",
}


class Feed:
    """A running publication. Nothing here waits but `drain`, called between reads of the source."""

    def __init__(
        self, access: Access, link: MediaLink, sessions: ServedSessions, form: PublishForm
    ) -> None:
        loop = asyncio.get_running_loop()
        self._access = access
        self._link = link
        self._sessions = sessions
        self._form = form
        self._number = 0
        self._session: ServedSession | None = None
        self._accepted: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        """Done with the reason once the media worker takes no more."""
        self.on_pace: Callable[[float], None] | None = None
        """Told for how many seconds what the publisher sends may be gathered."""
        self.on_key_frame: Callable[[], None] | None = None
        """Called when somebody who watches needs a key frame soon."""

    async def start(self) -> None:
        """Wait for the media worker's leave; raises AccessDenied."""
        request = self._access.request

        def ask(number: int) -> Publish:
            stream, agent = self._access.stream, request.user_agent
            return Publish(number, stream, self._form, request.ip, agent)

        try:
            await self._link.wait_connected(CONNECT_TIMEOUT_SECONDS)
            self._number = self._link.request(ask, self)
            async with asyncio.timeout(ACCEPT_TIMEOUT_SECONDS):
                await self._accepted
        except (TimeoutError, ChannelClosed) as error:
            self._link.release(self._number)
            title = "The media worker of the stream does not answer; try again"
            raise AccessDenied(503, "unavailable", title) from error
        except AccessDenied:
            self._link.release(self._number)
            raise
        self._session = self._sessions.open(self._access)
        self._session.on_close.add(self._finish)

    def write(self, data: bytes) -> None:
        """Pass on some bytes of a transport stream; dropped once `ended`."""
        self._send(PublishedBytes(self._number, data), len(data))

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        """All tracks from now on; `complete`: no other one is announced."""
        size = sum(len(track.configuration) for track in tracks)
        self._send(PublishedTracks(self._number, tracks, complete), size)

    def frames(self, frames: list[PublishedFrame]) -> None:
        """Pass on some frames of these tracks; dropped once `ended`."""
        size = sum(len(frame.data) for frame in frames)
        self._send(PublishedFrames(self._number, frames), size)

    def reception(self, reception: Reception) -> None:
        """Pass on how the packets arrived so far."""
        self._send(PublishedReception(self._number, reception), 0)

    @property
    def stream(self) -> str:
        return self._access.stream

    @property
    def is_behind(self) -> bool:
        """The media worker does not keep up: `drain` before more is read."""
        return self._link.is_full

    async def drain(self) -> None:
        """Wait until the media worker keeps up; a stuck one ends the feed."""
        if self.ended.done():
            return
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_SECONDS):
                await self._link.drain()
        except (TimeoutError, ChannelClosed):
            self._finish("the media worker does not take data")

    async def close(self) -> None:
        """The publisher has finished."""
        if not self.ended.done():
            self._link.send(PublishEnd(self._number))
        self._finish("publisher finished")

    def on_message(self, message: FromMedia) -> None:
        match message:
            case Accepted() if not self._accepted.done():
                self._accepted.set_result(None)
            case Refused(code=code) if not self._accepted.done():
                title = _TITLE.get(code, "Publishing is refused")
                self._accepted.set_exception(AccessDenied(_STATUS.get(code, 403), code, title))
            case ReadPace(interval_ms=interval) if self.on_pace is not None:
                self.on_pace(interval / 1000)
            case KeyFrameWanted() if self.on_key_frame is not None:
                self.on_key_frame()
            case Events(events=events):
                for event in events:
                    if isinstance(event, End):
                        self._finish(event.reason)

    def on_lost(self) -> None:
        if not self._accepted.done():
            self._accepted.set_exception(ChannelClosed("media worker is gone"))
        self._finish("the media worker was restarted")

    def _send(self, message: FromEgress, size: int) -> None:
        if self.ended.done() or self._session is None:
            return
        if self._link.send(message):
            self._session.bytes += size

    def _finish(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        self._link.release(self._number)
        if self._session is not None:
            self._session.on_close.discard(self._finish)
            self._sessions.leave(self._session, reason)
