"""Where the packets of a transport stream lie in its file (ISO/IEC 13818-1 2.4.3.2). Pure."""

from typing import NamedTuple

SYNC = 0x47
PACKET_BYTES = 188
_STRIDES = ((188, 0), (192, 4), (204, 0))
"""Bytes from packet to packet, and how many stand before one (BDAV has a time stamp there)."""
TRIED_PACKETS = 5
LIKELY_ROWS, LIKELY_SYNCS = 10, 6
"""FFmpeg's probe takes for packets what has more than 6 of 10 sync bytes in their places. In bytes
by chance that is one in 10**12 places."""
LIKELY_BYTES = LIKELY_ROWS * max(stride for stride, _ in _STRIDES)
"""What there is to see of such a place."""


class Grid(NamedTuple):
    """Packets of 188 bytes, `stride` apart from `begin` on."""

    begin: int
    stride: int


def find_grid(data: bytes) -> Grid | None:
    """From the first kilobytes of a file; None: it is no transport stream."""
    for stride, ahead in _STRIDES:
        for begin in range(min(stride, len(data))):
            places = range(begin, begin + TRIED_PACKETS * stride, stride)
            if places[-1] < len(data) and all(data[place] == SYNC for place in places):
                return Grid(begin, stride) if begin >= ahead else Grid(begin + stride, stride)
    return None


def may_be_found(data: bytes) -> bool:
    """Whether FFmpeg's probe could find packets in it, wherever they begin."""
    for stride, _ in _STRIDES:
        for begin in range(min(stride, len(data))):
            column = data[begin::stride]
            if column.count(SYNC) < LIKELY_SYNCS:
                continue
            rows = [row for row, byte in enumerate(column) if byte == SYNC]
            lasts = rows[LIKELY_SYNCS - 1 :]
            if any(last - row < LIKELY_ROWS for row, last in zip(rows, lasts, strict=False)):
                return True
    return False
