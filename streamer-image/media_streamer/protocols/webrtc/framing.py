"""The packets of a stream for all WebRTC viewers of a worker: split, measured and kept once.

Time stamps are the same for everybody (`continuity.py`); numbers, source and payload type differ by
viewer (`outgoing.py`). What was sent of late is kept, so that a lost packet can be sent again.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from media_streamer.protocols.webrtc.continuity import Continuity, alike
from media_streamer.protocols.webrtc.packets import Batch, Packet, is_before, parse

HISTORY_BYTES = 4 * 1024 * 1024
"""Of a stream: 16 s of 2 Mb/s. A later wish would come too late for its picture anyway."""
HISTORY_PACKETS = 8192
"""Far from the wrap of their numbers."""
REORDER_TICKS = 10 * 90_000
"""A larger step back is a restart of the clock."""
METER_SECONDS = 2.0
"""Over which the rate of a track is measured: a group of pictures, as a rule."""


class _Meter:
    """Bits a second of a track; 0 until that is known."""

    __slots__ = ("_bytes", "_since", "rate")

    def __init__(self, now: float) -> None:
        self._since, self._bytes, self.rate = now, 0, 0

    def count(self, size: int, now: float) -> None:
        passed = now - self._since
        if passed >= METER_SECONDS:
            found = round(8 * self._bytes / passed)
            self.rate = (self.rate + found) // 2 if self.rate else found
            self._since, self._bytes = now, 0
        self._bytes += size


class WebRtcFraming:
    """Made for each broadcast of a worker; keeps what its viewers share."""

    counted = False
    """Who takes one of several renditions is not sent all that comes: senders count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.reordered = False
        """Frames are shown in another order than sent: the video has B-frames."""
        self._clock = clock
        self._meters: dict[int, _Meter] = {}
        self._newest: dict[int, int] = {}
        self._history: OrderedDict[tuple[int, int], Packet] = OrderedDict()
        self._bytes = 0
        self._data = b""
        self._batch = Batch()
        self._description = b""
        self._continuity = Continuity()

    def keeps(self, before: bytes, now: bytes) -> bool:
        """Other tracks need another offer: viewers are let go and come again."""
        return alike(before, now)

    def header(self, payload: bytes) -> bytes:
        if payload:
            self._continuity.begin(payload, goes_on=alike(self._description, payload))
            self._description = payload
        self._history.clear()
        self._newest.clear()
        self._meters.clear()
        self._bytes, self.reordered = 0, False
        return b""

    def chunk(self, payload: bytes, key: bool) -> bytes:
        now = self._clock()
        batch = self.batch(payload)
        for channel, packets in batch.packets.items():
            meter = self._meters.get(channel)
            if meter is None:
                meter = self._meters[channel] = _Meter(now)
            meter.count(batch.sizes[channel], now)
            for packet in packets:
                self._keep(packet)
        return payload

    def _keep(self, packet: Packet) -> None:
        channel, timestamp = packet.channel, packet.timestamp
        newest = self._newest.get(channel, timestamp)
        if is_before(timestamp, newest) and (newest - timestamp) & 0xFFFFFFFF < REORDER_TICKS:
            self.reordered = True
        else:
            self._newest[channel] = timestamp
        self._history[channel, packet.sequence] = packet
        self._bytes += len(packet.payload)
        while self._bytes > HISTORY_BYTES or len(self._history) > HISTORY_PACKETS:
            _, oldest = self._history.popitem(last=False)
            self._bytes -= len(oldest.payload)

    def find(self, channel: int, sequence: int) -> Packet | None:
        """A packet that was sent of late."""
        return self._history.get((channel, sequence))

    def rate(self, channel: int) -> int:
        """Bits a second of a track; 0: not known yet."""
        meter = self._meters.get(channel)
        return meter.rate if meter is not None else 0

    def batch(self, data: bytes) -> Batch:
        """Some interleaved packets, taken apart once for all who are sent the same."""
        if data is not self._data:
            self._batch = self._continuity.place(parse(data), self._clock())
            self._data = data
        return self._batch
