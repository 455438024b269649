"""One viewer: the messages that begin, pause and end a playback."""

import asyncio
import logging

from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Broadcast, Viewer
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import DATA, write_event, write_message
from media_streamer.protocols.rtmp.commands import MEDIA_CHUNK_STREAM, write_status
from media_streamer.protocols.rtmp.framing import MEDIA_STREAM

log = logging.getLogger(__name__)

STREAM_BEGIN, STREAM_EOF = 0, 1  # user control events (section 6.2)


class Playback:
    """A stream on its way to one connection."""

    def __init__(
        self, broadcast: Broadcast, access: Access, transport: asyncio.Transport, name: str
    ) -> None:
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
