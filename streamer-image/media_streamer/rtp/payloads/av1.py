"""AV1 (RTP Payload Format For AV1, Alliance for Open Media, 4 and 5)."""

from media_streamer.rtp.payloads.base import Sample
from media_streamer.rtp.payloads.nal_units import MAX_PAYLOAD, MAX_SAMPLE_BYTES
from media_streamer.syntax import obu

_TILE_LIST = 8
_HAS_SIZE = 0x02
_HAS_EXTENSION = 0x04


def leb128(value: int) -> bytes:
    """Little-endian base 128 (AV1 specification 4.10.5)."""
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def _read_leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(5):
        if position >= len(data):
            raise ValueError("size ends early")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position
    raise ValueError("size is too long")


def without_size(unit: bytes) -> bytes:
    """An OBU without its size field: within RTP the length of the element says it (5.1)."""
    if not unit[0] & _HAS_SIZE:
        return unit
    head = 2 if unit[0] & _HAS_EXTENSION else 1
    _, position = _read_leb128(unit, head)
    return bytes((unit[0] & ~_HAS_SIZE,)) + unit[1:head] + unit[position:]


def with_size(unit: bytes) -> bytes:
    """The same with a size field, as ISO BMFF wants all but the last."""
    if unit[0] & _HAS_SIZE:
        return unit
    head = 2 if unit[0] & _HAS_EXTENSION else 1
    body = unit[head:]
    return bytes((unit[0] | _HAS_SIZE,)) + unit[1:head] + leb128(len(body)) + body


class Av1Packetizer:
    """OBU elements one after the other, each with its length; a long one goes over packets."""

    def __init__(self, sequence_header: bytes = b"") -> None:
        self._header = sequence_header
        """OBU that a receiver needs at each key frame."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        units = [
            (kind, without_size(unit))
            for kind, unit in obu.split(data)
            if kind not in (obu.TEMPORAL_DELIMITER, _TILE_LIST, obu.PADDING)
        ]
        if key and self._header and all(kind != obu.SEQUENCE_HEADER for kind, _ in units):
            units.insert(0, (obu.SEQUENCE_HEADER, without_size(self._header)))
        payloads: list[bytes] = []
        body = bytearray()
        continues = False

        def close(more: bool) -> None:
            nonlocal body, continues
            new_sequence = key and not payloads
            # Z: continues an element, Y: its last one goes on, W 0: each has a length, N (4.4).
            head = continues << 7 | more << 6 | new_sequence << 3
            payloads.append(bytes((head,)) + bytes(body))
            body, continues = bytearray(), more

        for _, unit in units:
            position = 0
            while position < len(unit):
                room = MAX_PAYLOAD - 1 - len(body) - 3
                if room <= 0:
                    close(position > 0)
                    continue
                piece = unit[position : position + room]
                position += len(piece)
                body += leb128(len(piece)) + piece
                if position < len(unit):
                    close(True)
        if body:
            close(False)
        return payloads


class Av1Depacketizer:
    """Elements into a temporal unit of OBUs with size fields."""

    def __init__(self) -> None:
        self._units: list[bytes] = []
        self._partial: bytearray | None = None
        self._timestamp = 0
        self._size = 0
        self._key = False
        self._intact = True

    def lose(self) -> None:
        self._intact = False
        self._partial = None

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        samples: list[Sample] = []
        if self._units and timestamp != self._timestamp:
            samples += self._finish()
        self._timestamp = timestamp
        if payload:
            try:
                self._take(payload)
            except ValueError:
                self._intact = False
        if self._size > MAX_SAMPLE_BYTES:
            self._units, self._partial, self._size, self._intact = [], None, 0, False
        if marker:
            samples += self._finish()
        return samples

    def _take(self, payload: bytes) -> None:
        head = payload[0]
        count = head >> 4 & 3
        self._key |= bool(head & 0x08)
        position, number = 1, 0
        elements: list[bytes] = []
        while position < len(payload):
            number += 1
            if count and number == count:
                size = len(payload) - position
            else:
                size, position = _read_leb128(payload, position)
            if position + size > len(payload):
                raise ValueError("element ends early")
            elements.append(payload[position : position + size])
            position += size
        for index, element in enumerate(elements):
            continues = bool(head & 0x80) and index == 0
            goes_on = bool(head & 0x40) and index == len(elements) - 1
            self._add(element, continues, goes_on)

    def _add(self, element: bytes, continues: bool, goes_on: bool) -> None:
        self._size += len(element)
        if continues:
            if self._partial is None:
                self._intact = False
                return
            self._partial += element
        else:
            self._partial = bytearray(element)
        if not goes_on:
            unit, self._partial = bytes(self._partial), None
            if unit and unit[0] >> 3 & 0x0F != obu.TEMPORAL_DELIMITER:
                self._units.append(with_size(unit))

    def _finish(self) -> list[Sample]:
        units, self._units, self._size = self._units, [], 0
        intact, key = self._intact and self._partial is None, self._key
        self._partial, self._intact, self._key = None, True, False
        if not units:
            self._intact = intact
            return []
        key |= any(unit[0] >> 3 & 0x0F == obu.SEQUENCE_HEADER for unit in units)
        return [Sample(self._timestamp, b"".join(units), key, intact)]
