"""Whether bytes of a file are in memory, and how they get there, so that no event loop waits."""

import contextlib
import os

CHUNK_BYTES = 1024 * 1024
"""What is looked at by its ends only."""


def is_cached(descriptor: int, at: int, size: int) -> bool:
    """Whether both ends of each chunk are in memory, as far as the file system says.

    One that cannot say (tmpfs) counts as not: reading it is quick.
    """
    end = at + size
    with contextlib.suppress(OSError):
        return all(
            os.preadv(descriptor, [bytearray(1)], place, os.RWF_NOWAIT)
            for start in range(at, end, CHUNK_BYTES)
            for place in (start, min(start + CHUNK_BYTES, end) - 1)
        )
    return False


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
