"""One viewer by SRT: a transport stream in messages of seven packets.

libsrt drops by itself what comes too late for the receiver; what it has no room for at all waits
here, and beyond its bound the viewer skips to a key frame as any other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Broadcast
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import ERR, PAYLOAD_BYTES, SrtError, SrtSocket

log = logging.getLogger(__name__)

BURST_MESSAGES = 64
"""What goes out at once; the rest of a burst follows at this many every `BURST_SECONDS`."""
BURST_SECONDS = 0.01


class SrtSender:
    """What a broadcast writes to."""

    def __init__(self, sock: SrtSocket, on_broken: Callable[[str], None]) -> None:
        self._socket = sock
        self._on_broken = on_broken
        self._waiting: deque[bytes] = deque()
        self._rest = b""
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def write(self, data: bytes) -> None:
        """Send whole packets of a transport stream."""
        if self._closed:
            return
        data = self._rest + data
        whole = len(data) // PAYLOAD_BYTES * PAYLOAD_BYTES
        for at in range(0, whole, PAYLOAD_BYTES):
            self._waiting.append(data[at : at + PAYLOAD_BYTES])
        # What is left goes with the next chunk: 40 ms later at most, and a message stays full.
        self._rest = data[whole:]
        self._bytes += whole
        if self._timer is None:
            self._flush()

    def get_write_buffer_size(self) -> int:
        return self._bytes

    def is_closing(self) -> bool:
        return self._closed

    def abort(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._waiting.clear()
        self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        self._timer = None
        waiting = self._waiting
        try:
            for _ in range(min(BURST_MESSAGES, len(waiting))):
                if not self._socket.send(waiting[0]):
                    break
                self._bytes -= len(waiting.popleft())
        except SrtError as error:
            self.abort()
            # Later: a broadcast writes to all its viewers in one go, and none may leave meanwhile.
            asyncio.get_running_loop().call_soon(self._on_broken, str(error))
            return
        if waiting:
            self._timer = asyncio.get_running_loop().call_later(BURST_SECONDS, self._flush)


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
        self._viewer = broadcast.attach(self._sender, access)
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
