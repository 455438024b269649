"""One viewer by WebRTC: a session of the stream, from its offer to its end."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.viewer import Viewer
from media_streamer.protocols.webrtc.framing import WebRtcFraming
from media_streamer.protocols.webrtc.outgoing import Chosen
from media_streamer.protocols.webrtc.sender import FORMAT, MAX_BUFFER_BYTES, MediaSender
from media_streamer.wire.control import PathReport

log = logging.getLogger(__name__)


class WebRtcViewer(MediaSender):
    """Begins when the peer is connected."""

    def __init__(
        self,
        egress: Egress,
        access: Access,
        chosen: list[Chosen],
        names: Mapping[int, str],
        on_closed: Callable[[], None],
        *,
        shows: bool = True,
    ) -> None:
        """`names`: of the tracks, by channel. `shows`: it is no server that passes on."""
        super().__init__(chosen)
        self.squeezes = shows
        self._names = names
        self._egress = egress
        self._access: Access | None = access
        self._name = access.stream
        self._on_closed = on_closed
        self._viewer: Viewer | None = None
        self._task: asyncio.Task[None] | None = None

    def on_connected(self) -> None:
        """Send from the last key frame on."""
        self._task = self._loop.create_task(self._begin(), name=f"webrtc {self._name}")

    async def _begin(self) -> None:
        access = self._access
        assert access is not None
        try:
            broadcast = await self._egress.hub.broadcast(access, FORMAT, WebRtcFraming)
        except AccessDenied as denied:
            self._access = None  # given up there
            self.connection.close(denied.title)
            return
        if not self.connection.is_open:
            return
        self.take_from(broadcast)
        log.info("webrtc %s stream %s: playing", self.connection.remote, self._name)
        self._access = None  # the viewer's session has it
        self._viewer = broadcast.attach(self, access, max_buffer=MAX_BUFFER_BYTES)
        self._viewer.account.path = self.report
        self.pay_by(self._viewer.account)
        self._viewer.closed.add_done_callback(self._on_viewer_closed)
        if self._video is not None and not self._account.bytes and not self._waiting:
            broadcast.request_key_frame()

    def report(self) -> PathReport:
        """What its session shows."""
        measure = self.path.measure(self._loop.time())
        return PathReport(
            track=self._names.get(self.renditions.channel, ""),
            switches=self.renditions.switches,
            bandwidth=measure.rate,
            queue_ms=round(1000 * measure.standing),
            lost=self.path.lost,
            repeated=self.repeated,
        )

    def _on_viewer_closed(self, closed: "asyncio.Future[str]") -> None:
        self.connection.close("cancelled" if closed.cancelled() else closed.result())

    def on_closed(self, reason: str) -> None:
        log.info("webrtc %s stream %s: %s", self.connection.remote, self._name, reason)
        self.abort()
        if self._task is not None:
            self._task.cancel()
        viewer, self._viewer = self._viewer, None
        access, self._access = self._access, None
        if viewer is not None:
            viewer.detach(reason)
        elif access is not None and (self._task is None or self._task.done()):
            self._egress.hub.give_up(access, reason)  # a broadcast that is waited for does it too
        self._on_closed()
