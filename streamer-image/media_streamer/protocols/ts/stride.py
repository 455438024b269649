"""Packets of a transport stream that lie 192 or 204 bytes apart, as recorders and modulators have
them, put beside each other: a time stamp goes that stands before a packet (BDAV, M2TS), and so does
what stands behind it to correct errors (ETSI EN 300 429). Pure.

What is 188 bytes apart, or no transport stream at all, passes as it is: it is found out from the
first packets, and anew where they no longer lie as they did.
"""

from collections.abc import Callable

from media_streamer.files.ts_grid import SYNC, TRIED_PACKETS, find_grid

PACKET_BYTES = 188
_LONGEST = 204
ENOUGH_BYTES = (TRIED_PACKETS + 2) * _LONGEST
"""In which packets show how far apart they lie; a datagram of seven may hold less, and two do."""


def plain(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """What reads a source, b"" at its end, with its packets beside each other."""
    strides = Strides()

    def read_plain(size: int) -> bytes:
        while data := read(size):
            if found := strides.feed(data):
                return found
        return strides.rest()

    return read_plain


class Strides:
    """Of one source."""

    def __init__(self) -> None:
        self._stride = 0
        """0: not known yet."""
        self._rest = b""
        self._skip = 0
        """Bytes that are still to come before the next packet."""

    def feed(self, data: bytes) -> bytes:
        """The same without what lies between packets; what is not decided yet comes later."""
        if self._stride == PACKET_BYTES:
            return data
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = self._rest + data[skipped:]
        self._rest = b""
        out: list[bytes] = []
        while data:
            if not self._stride:
                if len(data) < ENOUGH_BYTES and not _is_plain(data):
                    break
                data = self._find(data)
                if self._stride == PACKET_BYTES:
                    return b"".join((*out, data))
            data, lost = self._take(data, out)
            if not lost:
                break
            self._stride = 0
        self._rest = data
        return b"".join(out)

    def rest(self) -> bytes:
        """What is left at the end of the source."""
        rest, self._rest = self._rest, b""
        return rest if self._stride in (0, PACKET_BYTES) else b""

    def _find(self, data: bytes) -> bytes:
        """Decide; what there is from the first packet on."""
        grid = find_grid(data)
        self._stride = grid.stride if grid is not None else PACKET_BYTES
        return data if self._stride == PACKET_BYTES or grid is None else data[grid.begin :]

    def _take(self, data: bytes, out: list[bytes]) -> tuple[bytes, bool]:
        """Packets at the beginning of the data; what follows them, and whether that is none."""
        stride = self._stride
        for at in range(0, len(data), stride):
            if data[at] != SYNC:
                return data[at:], True
            if at + PACKET_BYTES > len(data):
                return data[at:], False
            out.append(data[at : at + PACKET_BYTES])
        self._skip = -len(data) % stride
        return b"", False


def _is_plain(data: bytes) -> bool:
    """Two packets at least, one behind the other."""
    count = len(data) // PACKET_BYTES
    whole = data[: count * PACKET_BYTES : PACKET_BYTES]
    return count > 1 and whole.count(SYNC) == count
