"""RTCP: reports, feedback and goodbyes (RFC 3550 6, RFC 4585, RFC 5104, transport-wide feedback).

Reading is lenient: a compound packet gives what of it can be understood, garbage gives less. The
number of elements is bounded by the size of a datagram.
"""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SR, RR, SDES, BYE, APP, RTPFB, PSFB = 200, 201, 202, 203, 204, 205, 206
NACK, TRANSPORT_CC = 1, 15
PLI, FIR, REMB = 1, 4, 15
_HEADER = struct.Struct(">BBH")
_REPORT = struct.Struct(">IIIIII")
_CNAME = 1
_SENDER_REPORT_BYTES = 28


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (6.4.1). `fraction_lost` is in 1/256."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    """Middle 32 bits of the NTP time of the last sender report."""
    delay: int
    """Since that report, in 1/65536 s."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Nack:
    """Packets of `ssrc` that did not arrive (RFC 4585 6.2.1)."""

    ssrc: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    """PLI (RFC 4585 6.3.1) or FIR (RFC 5104 4.3.1) for `ssrc`."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """REMB: bits a second that the receiver believes the path carries."""

    bit_rate: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """Transport-wide congestion control: which packets arrived, and when.

    `reference` is in 64 ms on the receiver's clock, 24 bits; `arrivals` in 250 us since then, of
    the packets from number `base` on. None: it did not come.
    """

    base: int
    reference: int
    arrivals: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    ssrcs: tuple[int, ...]


Element = (
    SenderReport | ReceiverReport | Nack | KeyFrameRequest | Estimate | TransportFeedback | Goodbye
)


def parse(data: bytes) -> list[Element]:
    """What a compound packet says, as far as it is understood."""
    found: list[Element] = []
    position = 0
    while position + 4 <= len(data):
        first, kind, words = _HEADER.unpack_from(data, position)
        end = position + 4 * (words + 1)
        if first >> 6 != 2 or end > len(data):
            break
        body = data[position + 4 : end]
        # A body may be shorter than its type needs.
        with contextlib.suppress(struct.error, IndexError):
            found += _element(kind, first & 0x1F, body)
        position = end
    return found


def _element(kind: int, count: int, body: bytes) -> Iterator[Element]:
    if kind == SR:
        ssrc, ntp, timestamp, packets, octets = struct.unpack_from(">IQIII", body)
        yield SenderReport(ssrc, ntp, timestamp, packets, octets, _blocks(body[24:], count))
    elif kind == RR:
        yield ReceiverReport(int.from_bytes(body[:4], "big"), _blocks(body[4:], count))
    elif kind == BYE:
        yield Goodbye(struct.unpack_from(f">{count}I", body))
    elif kind == RTPFB and count == NACK:
        yield Nack(struct.unpack_from(">I", body, 4)[0], _nack_numbers(body[8:]))
    elif kind == RTPFB and count == TRANSPORT_CC:
        yield _transport(body[8:])
    elif kind == PSFB and count == PLI:
        yield KeyFrameRequest(struct.unpack_from(">I", body, 4)[0])
    elif kind == PSFB and count == FIR:
        for at in range(8, len(body) - 7, 8):
            yield KeyFrameRequest(struct.unpack_from(">I", body, at)[0])
    elif kind == PSFB and count == REMB and body[8:12] == b"REMB":
        number = body[12]
        value = int.from_bytes(body[13:16], "big")
        yield Estimate(
            (value & 0x3FFFF) << (value >> 18), struct.unpack_from(f">{number}I", body, 16)
        )


def _blocks(data: bytes, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for at in range(0, min(count * 24, len(data) // 24 * 24), 24):
        ssrc, lost, highest, jitter, last, delay = _REPORT.unpack_from(data, at)
        total = lost & 0xFFFFFF
        total -= 1 << 24 if total & 0x800000 else 0
        blocks.append(ReportBlock(ssrc, lost >> 24, total, highest, jitter, last, delay))
    return tuple(blocks)


def _nack_numbers(data: bytes) -> tuple[int, ...]:
    numbers = []
    for at in range(0, len(data) - 3, 4):
        first, mask = struct.unpack_from(">HH", data, at)
        numbers.append(first)
        numbers += [(first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return tuple(numbers)


def _transport(data: bytes) -> TransportFeedback:
    """draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1; ends where the bytes do."""
    base, total, reference = struct.unpack_from(">HHI", data)
    symbols: list[int] = []
    at = 8
    while len(symbols) < total and at + 2 <= len(data):
        (chunk,) = struct.unpack_from(">H", data, at)
        at += 2
        if chunk & 0x8000:
            width = 2 if chunk & 0x4000 else 1
            symbols += [
                chunk >> (14 - (n + 1) * width) & (1 << width) - 1 for n in range(14 // width)
            ]
        else:
            symbols += [chunk >> 13 & 3] * min(chunk & 0x1FFF, total - len(symbols))
    arrivals: list[int | None] = []
    ticks = 0
    for symbol in symbols[:total]:
        if symbol not in (1, 2):
            arrivals.append(None)
            continue
        if at + symbol > len(data):
            break
        ticks += int.from_bytes(data[at : at + symbol], "big", signed=symbol == 2)
        at += symbol
        arrivals.append(ticks)
    return TransportFeedback(base, reference >> 8, tuple(arrivals))


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(2 << 6 | count, kind, len(body) // 4) + body


def sender_report(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    """A sender report without report blocks."""
    body = struct.pack(
        ">IQIII", ssrc, ntp, timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )
    return _packet(SR, 0, body)


def receiver_report(ssrc: int, blocks: Sequence[ReportBlock] = ()) -> bytes:
    """A receiver report with up to 31 blocks."""
    parts = [ssrc.to_bytes(4, "big")]
    for block in blocks[:31]:
        lost = (
            block.fraction_lost << 24 | max(-(1 << 23), min(block.lost, (1 << 23) - 1)) & 0xFFFFFF
        )
        parts.append(
            _REPORT.pack(
                block.ssrc,
                lost,
                block.highest & 0xFFFFFFFF,
                block.jitter & 0xFFFFFFFF,
                block.last_report,
                block.delay & 0xFFFFFFFF,
            )
        )
    return _packet(RR, len(parts) - 1, b"".join(parts))


def with_source(report: bytes, ssrc: int) -> bytes:
    """A sender report without blocks and its description, of another source."""
    source = ssrc.to_bytes(4, "big")
    end = _SENDER_REPORT_BYTES
    described = report[end : end + 4] + source + report[end + 8 :] if len(report) > end else b""
    return report[:4] + source + report[8:end] + described


def with_timestamp(report: bytes, shift: int) -> bytes:
    """A sender report whose RTP time stamp is later by `shift`."""
    moved = int.from_bytes(report[16:20]) + shift & 0xFFFFFFFF
    return report[:16] + moved.to_bytes(4, "big") + report[20:]


def description(ssrc: int, cname: str) -> bytes:
    """SDES with the canonical name (6.5.1): every compound packet carries it."""
    name = cname.encode()[:255]
    item = ssrc.to_bytes(4, "big") + bytes((_CNAME, len(name))) + name + b"\0"
    return _packet(SDES, 1, item + b"\0" * (-len(item) % 4))


def goodbye(ssrc: int) -> bytes:
    """BYE of one source."""
    return _packet(BYE, 1, ssrc.to_bytes(4, "big"))


def picture_loss(sender: int, media: int) -> bytes:
    """PLI: please send a key frame."""
    return _packet(PSFB, PLI, struct.pack(">II", sender, media))


def nack(sender: int, media: int, numbers: Sequence[int]) -> bytes:
    """Ask for packets again; `numbers` in order."""
    pairs: list[tuple[int, int]] = []
    for number in numbers:
        if pairs and 0 < (step := (number - pairs[-1][0]) & 0xFFFF) <= 16:
            first, mask = pairs[-1]
            pairs[-1] = (first, mask | 1 << step - 1)
        else:
            pairs.append((number, 0))
    body = struct.pack(">II", sender, media) + b"".join(struct.pack(">HH", *pair) for pair in pairs)
    return _packet(RTPFB, NACK, body)


def transport_feedback(sender: int, media: int, message: bytes) -> bytes:
    """Arrivals of packets (`rtp/arrivals.py`), padded."""
    body = struct.pack(">II", sender, media) + message
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes((padding,))
    packet = _packet(RTPFB, TRANSPORT_CC, body)
    return bytes((packet[0] | 0x20 if padding else packet[0],)) + packet[1:]


def remb(sender: int, bit_rate: int, ssrcs: Sequence[int]) -> bytes:
    """Tell a sender how much the path carries, bits a second."""
    exponent = max(0, bit_rate.bit_length() - 18)
    value = exponent << 18 | bit_rate >> exponent
    body = struct.pack(">II4sB", sender, 0, b"REMB", len(ssrcs)) + value.to_bytes(3, "big")
    return _packet(PSFB, REMB, body + struct.pack(f">{len(ssrcs)}I", *ssrcs))
