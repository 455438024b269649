"""Reading of an open file at any place. Blocks."""

import os
from collections.abc import Sequence
from typing import Protocol


class Changed(Exception):  # noqa: N818 - what the client is told
    """The file is not what it was when its tables were read."""


class Read(Protocol):
    """A file."""

    def __call__(self, offset: int, size: int) -> bytes:
        """Bytes from a place on, fewer at the end of the file. Raises OSError."""
        ...

    def into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        """Fill buffers one after another from a place on; returns how many bytes there were."""
        ...


class FileReader:
    """Of a descriptor that somebody else closes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, offset: int, size: int) -> bytes:
        found = os.pread(self._descriptor, size, offset)
        while len(found) < size:
            more = os.pread(self._descriptor, size - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found

    def into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        return os.preadv(self._descriptor, buffers, offset)
