"""What a publisher sends, on its way to the media worker that runs the stream."""

import asyncio

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.media_link import MediaLink
from media_streamer.egress.sessions import Session, Sessions
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.media import (
    Accepted,
    End,
    Events,
    FromMedia,
    Publish,
    PublishedBytes,
    PublishEnd,
    PublishForm,
    Refused,
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
    """A running publication. `write` never waits; call `drain` between reads of the source."""

    def __init__(
        self, access: Access, link: MediaLink, sessions: Sessions, form: PublishForm
    ) -> None:
        loop = asyncio.get_running_loop()
        self._access = access
        self._link = link
        self._sessions = sessions
        self._form = form
        self._number = 0
        self._session: Session | None = None
        self._accepted: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        """Done with the reason once the media worker takes no more."""

    async def start(self) -> None:
        """Wait for the media worker's leave; raises AccessDenied."""
        request = self._access.request

        def ask(number: int) -> Publish:
            stream, agent = self._access.stream, request.user_agent
            return Publish(number, stream, self._form, request.ip, agent)

        try:
            await self._link.wait_connected(CONNECT_TIMEOUT_SECONDS)
            self._number = self._link.request(ask, self)
            await asyncio.wait_for(self._accepted, ACCEPT_TIMEOUT_SECONDS)
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
        """Pass on some bytes of the container; dropped once `ended`."""
        if self.ended.done() or self._session is None:
            return
        if self._link.send(PublishedBytes(self._number, data)):
            self._session.bytes += len(data)

    async def drain(self) -> None:
        """Wait until the media worker keeps up; a stuck one ends the feed."""
        if self.ended.done():
            return
        try:
            await asyncio.wait_for(self._link.drain(), DRAIN_TIMEOUT_SECONDS)
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
            case Events(events=events):
                for event in events:
                    if isinstance(event, End):
                        self._finish(event.reason)

    def on_lost(self) -> None:
        if not self._accepted.done():
            self._accepted.set_exception(ChannelClosed("media worker is gone"))
        self._finish("the media worker was restarted")

    def _finish(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        self._link.release(self._number)
        if self._session is not None:
            self._session.on_close.discard(self._finish)
            self._sessions.leave(self._session, reason)
