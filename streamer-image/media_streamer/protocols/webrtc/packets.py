"""The packets of a stream as WebRTC sends them: taken apart, and squeezed for a start. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from media_streamer.outgoing.segments import runs
from media_streamer.protocols.rtsp.udp import split
from media_streamer.rtp.packet import HEADER_BYTES, KEY_MARK

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
