"""H.264 (RFC 6184) and HEVC (RFC 7798): single NAL unit, aggregation and fragmentation packets.

Decoding order is transmission order (packetization-mode 1, sprop-max-don-diff 0): what cameras,
browsers and FFmpeg send. Interleaved modes are refused by their SDP, not here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from media_streamer.rtp.packet import HEADER_BYTES, MAX_PACKET_BYTES
from media_streamer.rtp.payloads.base import Sample
from media_streamer.syntax import nal

MAX_PAYLOAD = MAX_PACKET_BYTES - HEADER_BYTES
MAX_SAMPLE_BYTES = 16 * 1024 * 1024
"""A frame that grows beyond this is thrown away: the sender forgot the marker, or means harm."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Numbers of one codec."""

    header_bytes: int
    shift: int
    mask: int
    aggregation: int
    fragmentation: int
    random_access: frozenset[int]
    slices: frozenset[int]
    parameter_sets: frozenset[int]

    def kind(self, unit: bytes) -> int:
        """Type of a NAL unit or packet."""
        return unit[0] >> self.shift & self.mask


H264 = Layout(
    1, 0, 0x1F, 24, 28, frozenset({5}), nal.H264.slices, nal.H264.parameter_sets
)  # RFC 6184 5.2
HEVC = Layout(
    2, 1, 0x3F, 48, 49, frozenset(range(16, 22)), nal.HEVC.slices, nal.HEVC.parameter_sets
)  # RFC 7798 4.4
LAYOUTS = {"h264": H264, "hevc": HEVC}


class NalPacketizer:
    """Puts the parameter sets in front of each key frame: a receiver may start at any of them."""

    def __init__(self, codec: str, parameter_sets: Sequence[bytes]) -> None:
        self._layout = LAYOUTS[codec]
        self._sets = list(parameter_sets)

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        units = nal.split_length_prefixed(data)
        if key:
            units[:0] = self._sets
        return list(self._payloads(units))

    def _payloads(self, units: list[bytes]) -> Iterator[bytes]:
        together: list[bytes] = []
        size = self._layout.header_bytes
        for unit in units:
            if together and size + 2 + len(unit) > MAX_PAYLOAD:
                yield self._aggregate(together)
                together, size = [], self._layout.header_bytes
            if len(unit) > MAX_PAYLOAD:
                yield from self._fragment(unit)
            else:
                together.append(unit)
                size += 2 + len(unit)
        if together:
            yield self._aggregate(together)

    def _aggregate(self, units: list[bytes]) -> bytes:
        if len(units) == 1:
            return units[0]
        layout = self._layout
        if layout is H264:
            # F or-ed, NRI the highest (RFC 6184 5.7).
            forbidden = max(unit[0] & 0x80 for unit in units)
            importance = max(unit[0] & 0x60 for unit in units)
            head = bytes((forbidden | importance | layout.aggregation,))
        else:
            # Layer and temporal id: the lowest (RFC 7798 4.4.2).
            layer = min((unit[0] & 1) << 5 | unit[1] >> 3 for unit in units)
            temporal = min(unit[1] & 7 for unit in units)
            head = bytes((layout.aggregation << 1 | layer >> 5, (layer & 0x1F) << 3 | temporal))
        return head + b"".join([part for u in units for part in (len(u).to_bytes(2, "big"), u)])

    def _fragment(self, unit: bytes) -> Iterator[bytes]:
        layout = self._layout
        kind = layout.kind(unit)
        if layout is H264:
            head = bytes((unit[0] & 0xE0 | layout.fragmentation,))
        else:
            head = bytes((unit[0] & 0x81 | layout.fragmentation << 1, unit[1]))
        room = MAX_PAYLOAD - layout.header_bytes - 1
        position, total = layout.header_bytes, len(unit)
        while position < total:
            end = min(position + room, total)
            first, last = position == layout.header_bytes, end == total
            yield head + bytes((first << 7 | last << 6 | kind,)) + unit[position:end]
            position = end


class NalDepacketizer:
    """Collects the NAL units of an access unit until the marker, or another time stamp.

    Some cameras mark each packet. They are found out by a slice that continues a picture behind a
    marker; from then on the time stamp alone counts, which costs a picture of delay.
    """

    def __init__(self, codec: str) -> None:
        self._layout = LAYOUTS[codec]
        self._units: list[bytes] = []
        self._fragment: bytearray | None = None
        self._timestamp = 0
        self._size = 0
        self._intact = True
        self._marked_at = -1
        """Time stamp of the last access unit that a marker ended."""
        self._marks_mislead = False

    def lose(self) -> None:
        self._intact = False
        self._fragment = None

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        samples: list[Sample] = []
        if (self._units or self._fragment is not None) and timestamp != self._timestamp:
            samples += self._finish()  # the marker was lost, or the sender sets none
        self._timestamp = timestamp
        if timestamp == self._marked_at and not self._units and self._continues(payload):
            self._marks_mislead, self._intact = True, False
        self._take(payload)
        if self._size > MAX_SAMPLE_BYTES:
            self._units, self._fragment, self._size, self._intact = [], None, 0, False
        if marker and not self._marks_mislead:
            self._marked_at = timestamp
            samples += self._finish()
        return samples

    def _continues(self, payload: bytes) -> bool:
        """Whether a slice begins that is not the first of its picture: `first_mb_in_slice` is not
        0 (H.264 7.3.3), `first_slice_segment_in_pic_flag` is (HEVC 7.3.6.1)."""
        layout = self._layout
        at = layout.header_bytes
        if len(payload) < at + 2:
            return False
        kind = layout.kind(payload)
        if kind == layout.fragmentation:
            begins, kind, at = payload[at] & 0x80, payload[at] & layout.mask, at + 1
            if not begins:
                return False
        return kind in layout.slices and not payload[at] & 0x80

    def _take(self, payload: bytes) -> None:
        layout = self._layout
        if len(payload) < layout.header_bytes:
            return
        kind = layout.kind(payload)
        if kind == layout.aggregation:
            self._split(payload)
        elif kind == layout.fragmentation:
            self._assemble(payload)
        elif kind < layout.aggregation:
            self._add(payload)

    def _add(self, unit: bytes) -> None:
        self._units.append(unit)
        self._size += len(unit)

    def _split(self, payload: bytes) -> None:
        position, total = self._layout.header_bytes, len(payload)
        while position + 2 <= total:
            end = position + 2 + int.from_bytes(payload[position : position + 2], "big")
            if end > total:
                self._intact = False
                return
            if end - position - 2 >= self._layout.header_bytes:
                self._add(payload[position + 2 : end])
            position = end

    def _assemble(self, payload: bytes) -> None:
        layout = self._layout
        at = layout.header_bytes
        if len(payload) <= at:
            return
        flags, kind = payload[at], payload[at] & layout.mask
        if flags & 0x80:
            if layout is H264:
                head = bytes((payload[0] & 0xE0 | kind,))
            else:
                head = bytes((payload[0] & 0x81 | kind << 1, payload[1]))
            self._fragment = bytearray(head)
        if self._fragment is None:
            self._intact = False  # the start is missing
            return
        self._fragment += payload[at + 1 :]
        self._size += len(payload)
        if flags & 0x40:
            unit, self._fragment = bytes(self._fragment), None
            self._units.append(unit)

    def _finish(self) -> list[Sample]:
        units, self._units, self._size = self._units, [], 0
        intact = self._intact and self._fragment is None
        self._fragment, self._intact = None, True
        if not units:
            # What was lost belongs to the next access unit, as far as anybody knows.
            self._intact = intact
            return []
        kinds = {self._layout.kind(unit) for unit in units}
        key = not self._layout.random_access.isdisjoint(kinds)
        return [Sample(self._timestamp, nal.join_length_prefixed(units), key, intact)]
