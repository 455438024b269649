"""Whether bytes of a file are in memory, and how they get there, so that no event loop waits."""

import os
from collections.abc import Sequence

CHUNK_BYTES = 1024 * 1024
"""What is looked at by its ends only."""
_PROBE = [bytearray(1)]
"""What it holds is of no meaning."""


def is_cached(descriptor: int, at: int, size: int) -> bool:
    """Whether both ends of each chunk are in memory, as far as the file system says.

    One that cannot say (tmpfs) counts as not: reading it is quick.
    """
    end = at + size
    for start in range(at, end, CHUNK_BYTES):
        if not are_cached(descriptor, (start, min(start + CHUNK_BYTES, end) - 1)):
            return False
    return True


def are_cached(descriptor: int, places: Sequence[int]) -> bool:
    """Whether the bytes at these places are in memory, as far as the file system says."""
    try:
        for place in places:
            if not os.preadv(descriptor, _PROBE, place, os.RWF_NOWAIT):
                return False
    except OSError:
        return False
    return True


def read_ahead(descriptor: int, at: int, size: int) -> None:
    """Bring bytes into memory; blocks. Raises FileNotFoundError if the file ends before."""
    os.posix_fadvise(descriptor, at, size, os.POSIX_FADV_WILLNEED)
    buffer = bytearray(256 * 1024)
    end = at + size
    while at < end:
        count = os.preadv(descriptor, [memoryview(buffer)[: end - at]], at)
        if not count:
            raise FileNotFoundError("the file is shorter than it was")
        at += count
