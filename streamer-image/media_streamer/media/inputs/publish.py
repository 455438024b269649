"""Inputs that are fed a transport stream: of publishers, relayed by an egress worker, and of
sources that send it in RTP by RTSP.

Role: a bounded pipe from the event loop to the demuxer's thread, and the input that reads it.
Publishers whose protocol gives frames need neither (`frames.py`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from media_streamer.media.inputs.base import InputError, Limits, Receiver
from media_streamer.media.inputs.cut_input import CutInput
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS

PIPE_BYTES = 16 * 1024 * 1024
"""Bound of what a publisher may be ahead: over ten seconds of 10 Mbit/s."""

_TS_PACKET_BYTES = 188
_TS_SYNC = 0x47
_START_BYTES = 3 * _TS_PACKET_BYTES

_OPTIONS = {
    **PROBE_OPTIONS,
    **MPEGTS_OPTIONS,
    # A publisher that announces audio and sends none (or the reverse) holds the start up this long.
    "analyzeduration": "2000000",  # us
}


def looks_like_ts(start: bytes) -> bool:
    """True if `start`, some hundred bytes, can be the start of a transport stream."""
    # Three packets in a row (ISO/IEC 13818-1 2.4.3.2); a capture may begin inside a packet.
    return any(
        all(byte == _TS_SYNC for byte in start[offset::_TS_PACKET_BYTES])
        for offset in range(min(_TS_PACKET_BYTES, len(start)))
    )


class BytePipe:
    """A file object for FFmpeg that another thread fills; one writer, one reader."""

    def __init__(
        self,
        *,
        read_timeout_seconds: float,
        max_bytes: int = PIPE_BYTES,
        sender: str = "the publisher",
    ) -> None:
        """`sender`: as errors call who writes."""
        self.sender = sender
        self._timeout = read_timeout_seconds
        self._max_bytes = max_bytes
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """Bytes that wait for the reader."""
        return self._size

    def write(self, data: bytes) -> bool:
        """Take `data`; False (and nothing taken) if the reader is too far behind or gone."""
        with self._changed:
            if self._closed or self._size + len(data) > self._max_bytes:
                return False
            self._pieces.append(data)
            self._size += len(data)
            self._changed.notify()
        return True

    def end(self) -> None:
        """No more bytes: the reader gets what is left, then the end of the file."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end; raises InputError when the writer is silent."""
        deadline = time.monotonic() + self._timeout
        with self._changed:
            while not self._pieces:
                if self._closed:
                    return b""
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise InputError(f"{self.sender} sends nothing")
                self._changed.wait(remaining)
            piece = self._pieces.popleft()
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                piece = piece[:size]
            self._size -= len(piece)
            return piece

    def peek(self, size: int) -> bytes:
        """The next `size` bytes without taking them; fewer only at the end."""
        gathered = b""
        while len(gathered) < size:
            piece = self.read(size - len(gathered))
            if not piece:
                break
            gathered += piece
        with self._changed:
            if gathered:
                self._pieces.appendleft(gathered)
                self._size += len(gathered)
        return gathered


class PublishInput(CutInput):
    """One publisher."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        limits: Limits,
        *,
        programs: frozenset[int] = frozenset(),
        pids: frozenset[int] = frozenset(),
        sender: str = "the publisher",
    ) -> None:
        """`sender`: as errors call who feeds it."""
        super().__init__(name, receiver, limits, "mpegts", _OPTIONS, programs=programs, pids=pids)
        self._pipe = BytePipe(read_timeout_seconds=limits.read_seconds, sender=sender)

    @property
    def held_bytes(self) -> int:
        return self._pipe.size

    def feed(self, data: bytes) -> bool:
        """Bytes of the publisher; False if the demuxer is too far behind."""
        return self._pipe.write(data)

    def finish(self) -> None:
        """The publisher is done: what it sent is still used, and its end is no failure."""
        self.end_error = None
        self._pipe.end()

    def stop(self) -> None:
        super().stop()
        self._pipe.end()

    def _connect(self) -> Callable[[int], bytes]:
        if not looks_like_ts(self._pipe.peek(_START_BYTES)):
            raise InputError(f"{self._pipe.sender} does not send MPEG-TS")
        self.allow(self.limits.read_seconds + self.limits.open_seconds)
        return self._pipe.read
