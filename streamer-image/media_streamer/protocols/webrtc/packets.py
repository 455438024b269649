"""The packets of a stream for all WebRTC viewers of a worker: split, measured and kept once.

Time stamps are those of the muxer for everybody; numbers, source and payload type differ by viewer
(`outgoing.py`). What was sent of late is kept, so that a lost packet can be sent again.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from media_streamer.protocols.rtsp.ports import runs
from media_streamer.protocols.rtsp.udp import split
from media_streamer.rtp.packet import HEADER_BYTES, KEY_MARK

HISTORY_BYTES = 4 * 1024 * 1024
"""Of a stream: 16 s of 2 Mb/s. A later wish would come too late for its picture anyway."""
HISTORY_PACKETS = 8192
"""Far from the wrap of their numbers."""
REORDER_TICKS = 10 * 90_000
"""A larger step back is a restart of the clock."""
METER_SECONDS = 2.0
"""Over which the rate of a track is measured: a group of pictures, as a rule."""
_HALF = 1 << 31


class Packet(NamedTuple):
    """Of RTP, as the muxer made it."""

    channel: int
    sequence: int
    marker: int
    """0x80 or 0."""
    timestamp: int
    payload: bytes
    key: bool
    """The first of a key frame of a video."""


def run_lengths(packets: Sequence[bytes]) -> tuple[int, ...]:
    """How many packets each system call may carry."""
    return tuple(len(run) for run in runs(list(packets)))


def is_before(timestamp: int, other: int) -> bool:
    """Whether a time stamp is earlier on the circle of 32 bits."""
    return 0 < (other - timestamp) & 0xFFFFFFFF < _HALF


@dataclass(slots=True)
class Batch:
    """Some packets by their channel."""

    packets: dict[int, list[Packet]] = field(default_factory=dict)
    reports: dict[int, bytes] = field(default_factory=dict)
    """The newest sender report of each channel."""
    runs: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """How many of `packets` one call may send, by turns; what is added is as much in all."""
    sizes: dict[int, int] = field(default_factory=dict)
    """Bytes with their headers."""


def parse(data: bytes) -> Batch:
    """Interleaved packets with marks in front of key frames."""
    batch = Batch()
    marked: set[int] = set()
    for channel, packet in split(data):
        if channel == KEY_MARK:
            marked.update(packet)
        elif channel & 1:
            batch.reports[channel - 1] = packet
        elif len(packet) >= HEADER_BYTES:
            key = channel in marked
            if key:
                marked.discard(channel)
            batch.packets.setdefault(channel, []).append(
                Packet(
                    channel,
                    packet[2] << 8 | packet[3],
                    packet[1] & 0x80,
                    int.from_bytes(packet[4:8]),
                    packet[HEADER_BYTES:],
                    key,
                )
            )
    for channel, packets in batch.packets.items():
        payloads = [packet.payload for packet in packets]
        batch.runs[channel] = run_lengths(payloads)
        batch.sizes[channel] = sum(map(len, payloads)) + HEADER_BYTES * len(payloads)
    return batch


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

    fixed = True
    """Other tracks need another offer: viewers are let go and come again."""
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

    def header(self, payload: bytes) -> bytes:
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
            self._batch = parse(data)
            self._data = data
        return self._batch


def squeeze(packets: Sequence[Packet]) -> list[Packet]:
    """The group of pictures so far, its frames a millisecond apart up to the newest one.

    A receiver shows frames as their time stamps say: with those of the muxer it would stay behind
    by all that it was sent at once.
    """
    stamps = _in_order({packet.timestamp for packet in packets})
    newest = stamps[-1] if stamps else 0
    last = len(stamps) - 1
    moved = {stamp: (newest - 90 * (last - n)) & 0xFFFFFFFF for n, stamp in enumerate(stamps)}
    return [packet._replace(timestamp=moved[packet.timestamp]) for packet in packets]


def _in_order(stamps: set[int]) -> list[int]:
    """On the circle of 32 bits."""
    if not stamps:
        return []
    anchor = next(iter(stamps))
    return sorted(stamps, key=lambda stamp: (stamp - anchor + _HALF) & 0xFFFFFFFF)
