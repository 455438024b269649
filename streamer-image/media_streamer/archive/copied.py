"""Reading the media of an archive, wherever it is: on a disk of this server or in a bucket. Blocks.

A file that is on a disk is never asked for from a bucket: `library` prefers it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

from media_streamer import opening
from media_streamer.s3.address import parse_address
from media_streamer.s3.bucket import Bucket

Read = Callable[[int, int], bytes]
"""Offset and size; fewer bytes at the end of the file. Raises OSError."""


class Copied(NamedTuple):
    """A file in a bucket."""

    url: str
    """Of the bucket, with its secrets."""
    path: str

    def read(self, offset: int, size: int) -> bytes:
        """Raises FileNotFoundError, S3Error."""
        found = _bucket(self.url).read(self.path, offset, offset + size)
        if found is None:
            raise FileNotFoundError(f"{self.path} is not in its bucket any more")
        return found.data


@lru_cache(maxsize=64)
def _bucket(url: str) -> Bucket:
    return Bucket(parse_address(url))


@contextmanager
def opened(path: os.PathLike[str], copied: Copied | None) -> Iterator[Read]:
    """A file for reading; raises OSError."""
    if copied is not None:
        yield copied.read
        return
    descriptor = opening.read(path)
    try:
        yield lambda offset, size: os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
