"""What one receiver is sent in one section: a source whose numbers have no gaps. Pure.

Invariants: whatever packets are given, of whichever rendition and however many were left out in
between, the receiver's numbers follow each other: it asks for nothing again that was never sent.
What it asks for again is found by its number. Packets carry the number of the transport, where the
receiver tells by it when they came.
"""

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from media_streamer.protocols.webrtc.packets import Packet

PLAIN_BYTES, EXTENDED_BYTES = 12, 20
MAX_BENDS = 64
"""Places where the numbers bend that are remembered: of more than is kept for repetition."""
MAX_MOVED = 8192
_VERSION = 2 << 6
_EXTENDED = _VERSION | 0x10
_ONE_BYTE = 0xBEDE
"""Header extensions with elements of one byte (RFC 8285 4.2)."""
_PLAIN_HEADER = struct.Struct(">BBHII")
_EXTENDED_HEADER = struct.Struct(">BBHIIHHBHx")
_HALF = 1 << 15


@dataclass(frozen=True, slots=True)
class Chosen:
    """A track that the receiver takes, and those that it may be sent in its place."""

    channel: int
    ssrc: int
    payload_type: int
    kind: str
    others: tuple[int, ...] = ()
    """Channels of the other renditions that it can decode."""
    transport_id: int = 0
    """Of the header extension that numbers the packets of the transport; 0: not agreed on."""


class Outgoing:
    """One section of a receiver."""

    def __init__(self, chosen: Chosen) -> None:
        self.chosen = chosen
        self.channels = (chosen.channel, *chosen.others)
        self.header_bytes = EXTENDED_BYTES if chosen.transport_id else PLAIN_BYTES
        self._next = -1
        """Number of the next packet; -1: the first one says where they begin."""
        self._channel, self._expected = -1, -1
        self._shift = 0
        self._bends: deque[tuple[int, int, int]] = deque(maxlen=MAX_BENDS)
        """First number, channel and what was added to the numbers of that channel."""
        self._moved: dict[tuple[int, int], int] = {}

    def move(self, packets: Sequence[Packet]) -> None:
        """These are sent with other time stamps than they are kept with."""
        self._moved = {(one.channel, one.sequence): one.timestamp for one in packets[:MAX_MOVED]}

    def settle(self) -> None:
        """What was moved is not asked for any more."""
        self._moved = {}

    def stamp(self, packets: Sequence[Packet], transport: int) -> list[bytes]:
        """The packets as they are sent next, numbered for the transport from `transport` on."""
        out: list[bytes] = []
        for packet in packets:
            if packet.sequence != self._expected or packet.channel != self._channel:
                self._bend(packet)
            number = (packet.sequence + self._shift) & 0xFFFF
            self._expected = (packet.sequence + 1) & 0xFFFF
            out.append(self._write(packet, number, packet.timestamp, transport))
            transport += 1
        if packets:
            self._next = (number + 1) & 0xFFFF
        return out

    def again(self, packet: Packet, number: int, transport: int) -> bytes:
        """A packet that was sent under this number."""
        timestamp = self._moved.get((packet.channel, packet.sequence), packet.timestamp)
        return self._write(packet, number, timestamp, transport)

    def find(self, number: int) -> tuple[int, int] | None:
        """Channel and sequence of what was sent under a number; None: nothing was."""
        if self._next < 0 or (self._next - 1 - number) & 0xFFFF >= _HALF:
            return None
        for first, channel, shift in reversed(self._bends):
            if (number - first) & 0xFFFF < _HALF:
                return channel, (number - shift) & 0xFFFF
        return None

    def _bend(self, packet: Packet) -> None:
        first = packet.sequence if self._next < 0 else self._after_last()
        self._channel = packet.channel
        self._shift = (first - packet.sequence) & 0xFFFF
        self._bends.append((first, packet.channel, self._shift))

    def _after_last(self) -> int:
        return (self._expected + self._shift) & 0xFFFF

    def _write(self, packet: Packet, number: int, timestamp: int, transport: int) -> bytes:
        chosen = self.chosen
        second = packet.marker | chosen.payload_type
        if not chosen.transport_id:
            head = _PLAIN_HEADER.pack(_VERSION, second, number, timestamp, chosen.ssrc)
        else:
            head = _EXTENDED_HEADER.pack(
                _EXTENDED,
                second,
                number,
                timestamp,
                chosen.ssrc,
                _ONE_BYTE,
                1,
                chosen.transport_id << 4 | 1,
                transport & 0xFFFF,
            )
        return head + packet.payload
