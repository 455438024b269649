"""One viewer: the messages that begin, pause and end a playback."""

import asyncio
import logging

from media_streamer.archive.places import MAX_MS
from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Broadcast
from media_streamer.egress.replay import ReplayBroadcast
from media_streamer.egress.viewer import Viewer
from media_streamer.presentation.moments import Moment
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import DATA, write_event, write_message
from media_streamer.protocols.rtmp.commands import MEDIA_CHUNK_STREAM, write_status
from media_streamer.protocols.rtmp.framing import MEDIA_STREAM

log = logging.getLogger(__name__)

STREAM_BEGIN, STREAM_EOF = 0, 1  # user control events (section 6.2)


class Playback:
    """A stream on its way to one connection."""

    def __init__(
        self,
        broadcast: Broadcast,
        access: Access,
        transport: asyncio.Transport,
        name: str,
        moment: Moment | None = None,
    ) -> None:
        """`moment`: of the archive, which seeking counts from; a file has its beginning."""
        is_past = moment is not None and not access.config.file
        self._begins_ms = moment.from_ms if moment is not None and is_past else 0
        self._broadcast = broadcast
        self._access = access
        self._transport = transport
        self._name = name
        self._viewer: Viewer | None = None
        self._paused = False
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once the server sends no more."""

    def start(self, *, reset: bool) -> None:
        """Tell the client that play begins, and send header and GOP."""
        parts = [write_event(STREAM_BEGIN, MEDIA_STREAM)]
        if reset:
            parts.append(
                self._status("NetStream.Play.Reset", f"Playing and resetting {self._name}.")
            )
        parts += [
            self._status("NetStream.Play.Start", f"Started playing {self._name}."),
            _message(amf.encode("|RtmpSampleAccess", True, True)),
        ]
        self._transport.write(b"".join(parts))
        self._attach()

    def pause(self, paused: bool) -> None:
        """Stop sending, or go on at the live point; the session stays."""
        if paused == self._paused or self.ended.done():
            return
        self._paused = paused
        if paused:
            self._transport.write(self._status("NetStream.Pause.Notify", f"Paused {self._name}."))
            self._detach("paused")
        else:
            self._transport.write(
                self._status("NetStream.Unpause.Notify", f"Unpaused {self._name}.")
            )
            self._attach()

    def seek(self, milliseconds: object = None) -> None:
        """Go on elsewhere in a replay (section 7.2.2.7); the clock of what is sent goes on."""
        if self.ended.done():
            return
        number = milliseconds if isinstance(milliseconds, int | float) else -1.0
        # What is no number compares false.
        if not 0 <= number <= MAX_MS or not isinstance(self._broadcast, ReplayBroadcast):
            self._transport.write(
                self._status("NetStream.Seek.Failed", f"{self._name} cannot be sought in there.")
            )
            return
        at_ms = min(self._begins_ms + int(number), MAX_MS)
        self._broadcast.seek(at_ms, None, 1.0, 1.0)
        self._transport.write(
            self._status("NetStream.Seek.Notify", f"Seeking in {self._name}.")
            + self._status("NetStream.Play.Start", f"Started playing {self._name}.")
        )

    def stop(self, reason: str) -> None:
        """The client wants no more, or is gone."""
        self._detach(reason)
        self._broadcast.let_go()
        self._end(reason)

    def farewell(self, reason: str) -> bytes:
        """Messages for a client whose stream has ended."""
        return b"".join(
            (
                write_event(STREAM_EOF, MEDIA_STREAM),
                self._status("NetStream.Play.UnpublishNotify", f"{self._name}: {reason}"),
                self._status("NetStream.Play.Stop", f"Stopped playing {self._name}."),
            )
        )

    def _status(self, code: str, description: str) -> bytes:
        return write_status(code, description, stream=MEDIA_STREAM, details=self._name)

    def _attach(self) -> None:
        viewer = self._viewer = self._broadcast.attach(self._transport, self._access)
        viewer.closed.add_done_callback(self._on_viewer_closed)

    def _on_viewer_closed(self, closed: asyncio.Future[str]) -> None:
        # A viewer that was let go on purpose is no longer ours.
        if self._viewer is not None and self._viewer.closed is closed:
            self._end("cancelled" if closed.cancelled() else closed.result())

    def _detach(self, reason: str) -> None:
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            viewer.detach(reason)

    def _end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)


def _message(payload: bytes) -> bytes:
    return write_message(DATA, payload, stream=MEDIA_STREAM, chunk_stream=MEDIA_CHUNK_STREAM)
