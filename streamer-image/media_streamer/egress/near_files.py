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
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from media_streamer.files.disk import Changed, Read
from media_streamer.files.gathered import Places
from media_streamer.files.samples import Span
from media_streamer.files.storages import Content, LocalContent
from media_streamer.page_cache import are_cached

MAX_OPEN = 64
MAX_SLICES = 40_000
"""200 bytes each."""
OPEN_SECONDS = 10.0
"""And on while it is used within such a time. Whether its path leads to the same file still is
looked at by who asks for it."""
STEP_BYTES = 256 * 1024
"""How far apart the places are that are tried. What is brought into memory together is mostly
forgotten together, and each try costs as much as to copy 30 kB."""

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Slices:
    """Parts of a mapping that are kept."""

    file: "dict[int, _Slices]"
    """Those of the same file, this one with them."""
    places: Places
    made: list[memoryview]


class NearFile:
    """An open file, closed when nobody holds this any more."""

    is_used = False
    """Since it was looked at last."""

    def __init__(self, opened: LocalContent, room: "Room | None" = None) -> None:
        """Raises OSError, ValueError if it cannot be mapped."""
        self.descriptor = opened.descriptor
        self._opened = opened
        self._memory = memoryview(mmap.mmap(self.descriptor, 0, prot=mmap.PROT_READ))
        """The file, mapped until nobody holds a part of it. Only the kernel may read it: a file
        may become shorter than it was."""
        self._slices: dict[int, _Slices] = {}
        """Of the mapping, by the identity of their places, which each holds: no others have it."""
        self._room = room or Room()
        weakref.finalize(self, _close, opened, self._room, self._slices)

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

    def mapped(self, places: Places) -> list[memoryview]:
        """Parts of the mapping. Those of late are kept: to make them takes a tenth of the time that
        sending them does."""
        kept = self._slices.get(id(places))
        if kept is not None:
            self._room.order.move_to_end(kept)
            return kept.made
        memory = self._memory
        made = [memory[offset : offset + size] for offset, size in places]
        self._room.keep(_Slices(self._slices, places, made))
        return made

    def is_near(self, places: Sequence[int]) -> bool:
        """Whether all of it is in memory, as far as a look at `looked_at` of it tells."""
        return are_cached(self.descriptor, places)


def looked_at(spans: Sequence[Span]) -> tuple[int, ...]:
    """Where to look whether all of the spans, which are some, is in memory: each `STEP_BYTES`, and
    at the end."""
    places, last = list[int](), -STEP_BYTES
    for offset, size in spans:
        if offset - last >= STEP_BYTES or offset < last:
            last = offset
            places.append(last)
        while last + STEP_BYTES < offset + size - 1:
            last += STEP_BYTES
            places.append(last)
    end = spans[-1].offset + spans[-1].size - 1
    return (*places, end)


class Room:
    """What all files of a worker together keep of their mappings: those used last, of any file."""

    def __init__(self) -> None:
        self.order: OrderedDict[_Slices, None] = OrderedDict()
        """The one that was used last is the last."""
        self._most = self._left = MAX_SLICES

    def keep(self, slices: _Slices) -> None:
        """Of a file that does not have them yet; those that are too many for all are not kept."""
        size = len(slices.made)
        if size > self._most:
            return
        while self._left < size:
            self.drop(next(iter(self.order)))
        self._left -= size
        self.order[slices] = None
        slices.file[id(slices.places)] = slices

    def drop(self, slices: _Slices) -> None:
        """Those of `order`."""
        del self.order[slices]
        del slices.file[id(slices.places)]
        self._left += len(slices.made)


def _close(opened: LocalContent, room: Room, kept: dict[int, _Slices]) -> None:
    for slices in list(kept.values()):
        room.drop(slices)
    opened.close()


def _mapped(opened: LocalContent, room: Room) -> NearFile | None:
    """None for a file system, or a file, that cannot be mapped."""
    try:
        return NearFile(opened, room)
    except (OSError, ValueError):
        return None


class NearFiles:
    """Those of a worker."""

    def __init__(self) -> None:
        self._open: dict[Content, NearFile] = {}
        self._room = Room()

    def keep(self, known: Content, opened: Content) -> None:
        """`opened` is `known`, opened anew in a thread; it is closed here."""
        if known in self._open or len(self._open) >= MAX_OPEN:
            opened.close()
        elif isinstance(opened, LocalContent) and (near := _mapped(opened, self._room)) is not None:
            self._open[known] = near
            self._drop_later(known)
        else:
            opened.close()

    def _drop_later(self, known: Content) -> None:
        asyncio.get_running_loop().call_later(OPEN_SECONDS, self._drop, known)

    def _drop(self, known: Content) -> None:
        """Let go of it, unless it was used meanwhile."""
        if self._open[known].is_used:
            self._open[known].is_used = False
            self._drop_later(known)
        else:
            del self._open[known]

    def has_room(self, known: Content) -> bool:
        """Whether it is open, or would be kept open."""
        return known in self._open or len(self._open) < MAX_OPEN

    def find(self, known: Content) -> NearFile | None:
        """The file, if it is open now."""
        found = self._open.get(known)
        if found is not None:
            found.is_used = True
        return found

    def read(self, known: Content, work: Callable[[Read], Result]) -> Result | None:
        """What `work` makes of the file; None: a thread has to do it."""
        opened = self.find(known)
        if opened is None:
            return None
        try:
            made = work(opened)
            # After the read: only what lies in memory can be asked about without waiting.
            return made if opened.is_unchanged() else None
        except (OSError, Changed):
            return None
