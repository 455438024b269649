"""One viewer by SRT: a transport stream in messages of seven packets at most.

libsrt drops by itself what comes too late for the receiver; what it has no room for at all waits
here, and beyond its bound the viewer skips to a key frame as any other.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Broadcast
from media_streamer.egress.paced import Cut, LastCut, PacedSender
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import ERR, PAYLOAD_BYTES, SrtError, SrtSocket

log = logging.getLogger(__name__)


def _cut(data: bytes) -> Cut[bytes]:
    """Full messages, and a last one with what is left: the end of a picture does not wait for the
    next one, which would make it 40 ms older."""
    messages = [data[at : at + PAYLOAD_BYTES] for at in range(0, len(data), PAYLOAD_BYTES)]
    return [(len(message), message) for message in messages]


_last_cut = LastCut(_cut)


class SrtSender(PacedSender[bytes]):
    """Transport stream packets in messages."""

    def __init__(self, sock: SrtSocket, on_broken: Callable[[str], None]) -> None:
        super().__init__()
        self._socket = sock
        self._on_broken = on_broken

    def write(self, data: bytes) -> None:
        """Send whole packets of a transport stream."""
        self.queue(_last_cut.of(data))
        self.pump()

    def send(self, datagrams: list[bytes]) -> int:
        try:
            return self._socket.send_all(datagrams)
        except SrtError as error:
            self.close()
            # Later: a broadcast writes to all its viewers in one go, and none may leave meanwhile.
            asyncio.get_running_loop().call_soon(self._on_broken, str(error))
            return 0


class SrtViewer:
    """A connection that plays."""

    def __init__(
        self,
        engine: SrtEngine,
        sock: SrtSocket,
        broadcast: Broadcast,
        access: Access,
        peer: tuple[str, int],
        on_close: Callable[[Any], None],
    ) -> None:
        self._engine = engine
        self._socket = sock
        self._peer = peer
        self._name = access.stream
        self._on_close = on_close
        self._closed = False
        self._sender = SrtSender(sock, self.close)
        engine.add(sock, self, ERR, reads=False)
        self._viewer = broadcast.attach(self._sender, access, prompt=True)
        self._viewer.closed.add_done_callback(self._on_viewer_closed)
        log.info("srt %s:%d stream %s: playing", *peer, self._name)

    def on_messages(self, messages: list[bytes]) -> None:
        """A viewer has nothing to say."""

    def on_event(self, events: int) -> None:
        if events & ERR:
            self.close("the peer is gone")

    def _on_viewer_closed(self, closed: "asyncio.Future[str]") -> None:
        self.close("cancelled" if closed.cancelled() else closed.result())

    def close(self, reason: str) -> None:
        """End it; may be called again."""
        if self._closed:
            return
        self._closed = True
        log.info("srt %s:%d stream %s: %s", *self._peer, self._name, reason)
        self._sender.abort()
        self._viewer.detach(reason)
        self._engine.remove(self._socket)
        self._on_close(self)
