"""RTP packets: header, extensions, sequence numbers (RFC 3550 5.1, RFC 8285).

A `Packet` is what came in; what goes out is written by `write`.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

HEADER_BYTES = 12
KEY_MARK = 255
"""Channel of a mark among interleaved packets (RFC 2326 10.12): a key frame begins with the next
packet of the channel that is its one byte. Between our own processes only."""
MAX_PACKET_BYTES = 1200
"""What every path carries in one datagram, SRTP and tunnels included (RFC 9000 14)."""
VERSION = 2
SEQUENCES = 1 << 16
_HALF_SEQUENCES = SEQUENCES >> 1
_HEADER = struct.Struct(">BBHII")
_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x100


class PacketError(ValueError):
    """The bytes are no RTP packet."""


@dataclass(slots=True)
class Packet:
    """One packet. `timestamp` and `sequence` are as on the wire: 32 and 16 bits that wrap."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    extensions: Mapping[int, bytes] = field(default_factory=dict)
    """Header extension elements by their local identifier (RFC 8285)."""


def parse(data: bytes) -> Packet:
    """The packet in a datagram; raises PacketError."""
    if len(data) < HEADER_BYTES:
        raise PacketError(f"{len(data)} bytes are no RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != VERSION:
        raise PacketError(f"RTP version {first >> 6}")
    begin = HEADER_BYTES + 4 * (first & 0x0F)
    end = len(data)
    extensions: Mapping[int, bytes] = {}
    if first & 0x10:
        if begin + 4 > end:
            raise PacketError("header extension ends early")
        profile, words = struct.unpack_from(">HH", data, begin)
        begin += 4
        extensions = _elements(profile, data[begin : begin + 4 * words])
        begin += 4 * words
    if first & 0x20:
        end -= data[-1]
    if begin > end:
        raise PacketError("header or padding is longer than the packet")
    return Packet(
        second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[begin:end], extensions
    )


def extension(data: bytes, number: int) -> bytes:
    """One header extension element of a packet; empty if it has none."""
    if len(data) < HEADER_BYTES + 4 or not data[0] & 0x10:
        return b""
    begin = HEADER_BYTES + 4 * (data[0] & 0x0F)
    if begin + 4 > len(data):
        return b""
    profile, words = struct.unpack_from(">HH", data, begin)
    return _elements(profile, data[begin + 4 : begin + 4 + 4 * words]).get(number, b"")


def _elements(profile: int, data: bytes) -> dict[int, bytes]:
    """Elements of both forms of RFC 8285 (4.2 and 4.3); others are passed over."""
    one_byte = profile == _ONE_BYTE_PROFILE
    if not one_byte and profile >> 4 != _TWO_BYTE_PROFILE:
        return {}
    found: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        head = data[position]
        if head == 0:  # padding
            position += 1
            continue
        if one_byte:
            number, length = head >> 4, (head & 0x0F) + 1
            position += 1
            if number == 15:  # reserved: stop here (4.2)
                break
        else:
            if position + 2 > len(data):
                break
            number, length = head, data[position + 1]
            position += 2
        if position + length > len(data):
            break
        found[number] = data[position : position + length]
        position += length
    return found


def write(
    payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> bytes:
    """A packet without extensions; the numbers are cut to their width."""
    return (
        _HEADER.pack(
            VERSION << 6,
            marker << 7 | payload_type,
            sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            ssrc,
        )
        + payload
    )


def distance(sequence: int, since: int) -> int:
    """Signed steps from `since` to `sequence` on the circle: -32768 to 32767."""
    return ((sequence - since + _HALF_SEQUENCES) & 0xFFFF) - _HALF_SEQUENCES


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram of a multiplexed port is RTCP (RFC 5761 4)."""
    return len(data) >= 2 and 64 <= data[1] & 0x7F < 96
