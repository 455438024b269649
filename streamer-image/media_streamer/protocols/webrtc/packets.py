"""The packets of a stream for all WebRTC viewers of a worker: split, numbered and kept once.

Sequence numbers, time stamps and sources are those of the muxer for everybody. What differs by
viewer is the payload type, which a browser chooses: packets are rewritten once for each choice.
What was sent of late is kept, so that a lost packet can be sent again.
"""

import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from media_streamer.protocols.rtsp.udp import runs, split

HISTORY_BYTES = 4 * 1024 * 1024
"""Of a stream: 16 s of 2 Mb/s. A later wish would come too late for its picture anyway."""
HISTORY_PACKETS = 8192
"""Far from the wrap of their numbers."""
REORDER_TICKS = 10 * 90_000
"""A larger step back is a restart of the clock."""
MAX_CHOICES = 16
_HALF = 1 << 31

Types = tuple[tuple[int, int], ...]
"""Payload type by channel, of the tracks that a viewer takes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Packets of a chunk for viewers of one choice."""

    rtp: list[bytes]
    rtcp: list[bytes]
    size: int
    runs: tuple[int, ...]
    """How many of `rtp` one call may send, by turns; protecting adds the same to all."""


def run_lengths(packets: list[bytes]) -> tuple[int, ...]:
    """How many packets each system call may carry."""
    return tuple(len(run) for run in runs(packets))


def with_type(packet: bytes, payload_type: int) -> bytes:
    """The packet with another payload type."""
    return b"%c%c%b" % (packet[0], packet[1] & 0x80 | payload_type, packet[2:])


def with_timestamp(packet: bytes, timestamp: int) -> bytes:
    """The packet with another time stamp."""
    return packet[:4] + struct.pack(">I", timestamp & 0xFFFFFFFF) + packet[8:]


def timestamp_of(packet: bytes) -> int:
    return int.from_bytes(packet[4:8])


def is_before(timestamp: int, other: int) -> bool:
    """Whether a time stamp is earlier on the circle of 32 bits."""
    return 0 < (other - timestamp) & 0xFFFFFFFF < _HALF


class WebRtcFraming:
    """Made for each broadcast of a worker; keeps what its viewers share."""

    fixed = True
    """Other tracks need another offer: viewers are let go and come again."""

    def __init__(self) -> None:
        self.reordered = False
        """Frames are shown in another order than sent: the video has B-frames."""
        self._newest: dict[int, int] = {}
        self._history: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._data = b""
        self._prepared: dict[Types, Prepared] = {}

    def header(self, payload: bytes) -> bytes:
        self._history.clear()
        self._newest.clear()
        self._bytes, self.reordered = 0, False
        return b""

    def chunk(self, payload: bytes, key: bool) -> bytes:
        for channel, packet in split(payload):
            if not channel & 1:
                self._keep(channel, packet)
        return payload

    def _keep(self, channel: int, packet: bytes) -> None:
        timestamp = timestamp_of(packet)
        newest = self._newest.get(channel, timestamp)
        if is_before(timestamp, newest) and (newest - timestamp) & 0xFFFFFFFF < REORDER_TICKS:
            self.reordered = True
        else:
            self._newest[channel] = timestamp
        self._history[channel, int.from_bytes(packet[2:4])] = packet
        self._bytes += len(packet)
        while self._bytes > HISTORY_BYTES or len(self._history) > HISTORY_PACKETS:
            _, oldest = self._history.popitem(last=False)
            self._bytes -= len(oldest)

    def find(self, channel: int, sequence: int) -> bytes | None:
        """A packet that was sent of late."""
        return self._history.get((channel, sequence))

    def prepare(self, data: bytes, types: Types) -> Prepared:
        """What viewers of this choice are sent of some interleaved packets."""
        if data is not self._data:
            self._data = data
            self._prepared = {}
        found = self._prepared.get(types)
        if found is None:
            found = _prepare(data, dict(types))
            if len(self._prepared) < MAX_CHOICES:
                self._prepared[types] = found
        return found


def _prepare(data: bytes, types: Mapping[int, int]) -> Prepared:
    rtp: list[bytes] = []
    rtcp: list[bytes] = []
    size = 0
    for channel, packet in split(data):
        if channel & 1:
            if channel - 1 in types:
                rtcp.append(packet)
        elif channel in types:
            rtp.append(with_type(packet, types[channel]))
            size += len(packet)
    return Prepared(rtp, rtcp, size, run_lengths(rtp))


@dataclass(frozen=True, slots=True)
class Start:
    """What a new viewer gets first."""

    packets: list[tuple[int, bytes]]
    """Channel and packet."""
    timestamps: dict[tuple[int, int], int]
    """Time stamps that differ from those of the muxer, by channel and sequence number."""
    reports: list[bytes]


def squeeze(data: bytes, video: int | None, types: Mapping[int, int]) -> Start:
    """The group of pictures so far, its frames a millisecond apart up to the newest one.

    A receiver shows frames as their time stamps say: with those of the muxer it would stay behind
    by all that it was sent at once. Sound begins with what comes next.
    """
    packets = [packet for channel, packet in split(data) if channel == video]
    reports = {channel: p for channel, p in split(data) if channel & 1 and channel - 1 in types}
    stamps = _in_order({timestamp_of(packet) for packet in packets})
    newest = stamps[-1] if stamps else 0
    moved = {stamp: newest - 90 * (len(stamps) - 1 - n) for n, stamp in enumerate(stamps)}
    out: list[tuple[int, bytes]] = []
    timestamps: dict[tuple[int, int], int] = {}
    for packet in packets:
        assert video is not None
        timestamp = moved[timestamp_of(packet)] & 0xFFFFFFFF
        timestamps[video, int.from_bytes(packet[2:4])] = timestamp
        out.append((video, with_type(with_timestamp(packet, timestamp), types[video])))
    return Start(out, timestamps, list(reports.values()))


def _in_order(stamps: set[int]) -> list[int]:
    """On the circle of 32 bits."""
    if not stamps:
        return []
    anchor = next(iter(stamps))
    return sorted(stamps, key=lambda stamp: (stamp - anchor + _HALF) & 0xFFFFFFFF)
