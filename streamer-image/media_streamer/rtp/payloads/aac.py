"""AAC as mpeg4-generic, mode AAC-hbr (RFC 3640)."""

from media_streamer.rtp.payloads.base import Sample
from media_streamer.rtp.payloads.nal_units import MAX_PAYLOAD

SIZE_BITS = 13
INDEX_BITS = 3
_HEADER_BYTES = 4
"""Length of the AU header section in bits, and one AU header of 16 bits."""
MAX_UNIT_BYTES = 1 << SIZE_BITS
SAMPLES_A_FRAME = 1024


class AacPacketizer:
    """One access unit a packet; one that is too long is split (3.2.3.2)."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        head = b"\x00\x10" + (len(data) << INDEX_BITS & 0xFFFF).to_bytes(2, "big")
        room = MAX_PAYLOAD - _HEADER_BYTES
        return [head + data[at : at + room] for at in range(0, len(data), room)]


class AacDepacketizer:
    """Access units of a packet; `size_bits` and `index_bits` as in the SDP (4.1)."""

    def __init__(self, size_bits: int = SIZE_BITS, index_bits: int = INDEX_BITS) -> None:
        if not 0 < size_bits <= 32 or not 0 <= index_bits <= 32:
            raise ValueError("AU headers of impossible size")
        self._size_bits = size_bits
        self._index_bits = index_bits
        self._partial = bytearray()
        self._wanted = 0

    def lose(self) -> None:
        self._partial.clear()

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        sizes, begin = self._sizes(payload)
        data = payload[begin:]
        if len(sizes) == 1 and sizes[0] > len(data):
            return self._collect(data, sizes[0], timestamp)
        self._partial.clear()
        samples: list[Sample] = []
        position = 0
        for number, size in enumerate(sizes):
            unit = data[position : position + size]
            position += size
            if len(unit) < size:
                break
            if unit:
                at = (timestamp + number * SAMPLES_A_FRAME) & 0xFFFFFFFF
                samples.append(Sample(at, unit, True))
        return samples

    def _sizes(self, payload: bytes) -> tuple[list[int], int]:
        """Sizes of the access units and where their data starts."""
        if len(payload) < 2:
            return [], len(payload)
        bits = int.from_bytes(payload[:2], "big")
        begin = 2 + (bits + 7) // 8
        if begin > len(payload):
            return [], len(payload)
        width = self._size_bits + self._index_bits  # index and index-delta are the same here
        headers = int.from_bytes(payload[2:begin], "big") >> (8 * (begin - 2) - bits)
        mask = (1 << self._size_bits) - 1
        count = bits // width
        return [
            headers >> (bits - (n + 1) * width + self._index_bits) & mask for n in range(count)
        ], begin

    def _collect(self, data: bytes, size: int, timestamp: int) -> list[Sample]:
        """A fragment of an access unit that did not fit a packet."""
        if size != self._wanted:
            self._partial.clear()
        self._wanted = size
        self._partial += data
        if len(self._partial) < size:
            return []
        unit = bytes(self._partial[:size])
        self._partial.clear()
        return [Sample(timestamp, unit, True)]
