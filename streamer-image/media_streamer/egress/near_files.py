"""Files that are in the memory of the kernel anyway, read without a thread.

A hop to a thread and back costs more than the making of a segment of a megabyte: both want the
interpreter's lock. What was opened in a thread stays open for a moment, and what of it lies in the
page cache is read or sent in the event loop; what does not, or may not, is left to the threads.

Invariants: nothing here waits for a disk (RWF_NOWAIT); nothing is read of a file that was changed
since it was opened; at most `MAX_OPEN` files are held, and who sends one holds it, too.
"""

import asyncio
import mmap
import os
import weakref
from collections.abc import Callable, Sequence
from typing import TypeVar

from media_streamer.files.disk import Changed, Read
from media_streamer.files.samples import Span
from media_streamer.files.storages import Content, LocalContent

MAX_OPEN = 64
OPEN_SECONDS = 10.0
"""Whether its path leads to the same file still is looked at by who asks for it."""
STEP_BYTES = 256 * 1024
"""How far apart the places are that are tried. What is brought into memory together is mostly
forgotten together, and each try costs as much as to copy 30 kB."""

Result = TypeVar("Result")


class NearFile:
    """An open file, closed when nobody holds this any more."""

    def __init__(self, opened: LocalContent) -> None:
        """Raises OSError, ValueError if it cannot be mapped."""
        self.descriptor = opened.descriptor
        self._opened = opened
        self.memory = memoryview(mmap.mmap(self.descriptor, 0, prot=mmap.PROT_READ))
        """The file, mapped until nobody holds a part of it. Only the kernel may read it: a file
        may become shorter than it was."""
        weakref.finalize(self, opened.close)

    def is_unchanged(self) -> bool:
        """Whether it is as it was when it was opened."""
        return self._opened.is_unchanged()

    def __call__(self, offset: int, size: int) -> bytes:
        """`files.disk.Read` of what lies in memory; raises BlockingIOError for the rest."""
        data = bytearray(size)
        self.into(offset, [memoryview(data)])
        return bytes(data)

    def into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        """The same."""
        found = os.preadv(self.descriptor, buffers, offset, os.RWF_NOWAIT)
        if found < sum(map(len, buffers)):
            raise BlockingIOError
        return found

    def is_near(self, spans: Sequence[Span]) -> bool:
        """Whether all of it is in memory, as far as a look here and there tells."""
        probe, looked = [bytearray(1)], -STEP_BYTES
        try:
            for span in spans:
                if span.offset - looked >= STEP_BYTES or span.offset < looked:
                    if not os.preadv(self.descriptor, probe, span.offset, os.RWF_NOWAIT):
                        return False
                    looked = span.offset
                end = span.offset + span.size - 1
                for place in range(looked + STEP_BYTES, end, STEP_BYTES):
                    if not os.preadv(self.descriptor, probe, place, os.RWF_NOWAIT):
                        return False
                    looked = place
            last = spans[-1].offset + spans[-1].size - 1
            return bool(os.preadv(self.descriptor, probe, last, os.RWF_NOWAIT))
        except OSError:
            return False


def _mapped(opened: LocalContent) -> NearFile | None:
    """None for a file system, or a file, that cannot be mapped."""
    try:
        return NearFile(opened)
    except (OSError, ValueError):
        return None


class NearFiles:
    """Those of a worker."""

    def __init__(self) -> None:
        self._open: dict[Content, NearFile] = {}

    def keep(self, known: Content, opened: Content) -> None:
        """`opened` is `known`, opened anew in a thread; it is closed here."""
        if known in self._open or len(self._open) >= MAX_OPEN:
            opened.close()
        elif isinstance(opened, LocalContent) and (near := _mapped(opened)) is not None:
            self._open[known] = near
            asyncio.get_running_loop().call_later(OPEN_SECONDS, self._open.pop, known)
        else:
            opened.close()

    def has_room(self, known: Content) -> bool:
        """Whether it is open, or would be kept open."""
        return known in self._open or len(self._open) < MAX_OPEN

    def find(self, known: Content) -> NearFile | None:
        """The file, if it is open now and as it was."""
        return self._open.get(known)

    def read(self, known: Content, work: Callable[[Read], Result]) -> Result | None:
        """What `work` makes of the file; None: a thread has to do it."""
        opened = self._open.get(known)
        if opened is None:
            return None
        try:
            made = work(opened)
            # After the read: only what lies in memory can be asked about without waiting.
            return made if opened.is_unchanged() else None
        except (OSError, Changed):
            return None
