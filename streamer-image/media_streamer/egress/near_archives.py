"""Recorded files that are in the memory of the kernel anyway, sent without a thread.

Two hops to a thread and back cost twice what it costs to send a segment of a megabyte. A file that
a thread has looked at stays open for a moment with what is in it, and what lies in the page cache
of it is sent in the event loop; all else is left to the threads.

Invariants: nothing here waits for a disk (RWF_NOWAIT); nothing is sent of a file that was written
to, cut or deleted since it was looked at; at most `MAX_OPEN` files are held, and who sends one
holds it, too.
"""

import asyncio
import os
import weakref
from collections.abc import Callable
from pathlib import Path

from media_streamer import opening
from media_streamer.archive.library import FileContent
from media_streamer.files.gathered import Gathered
from media_streamer.files.samples import Span
from media_streamer.page_cache import is_cached

MAX_OPEN = 64
OPEN_SECONDS = 5.0
"""Where a segment is, and whether it is there still, is looked up again after so long: by one of
those who ask then, while the others are sent what is open for as long again."""


class NearRecording:
    """An open file, closed when nobody holds this any more."""

    mapped = None

    due = 0.0
    """When somebody has to look for it anew, by the clock of the event loop."""
    is_awaited = False
    """Somebody does."""

    def __init__(self, content: FileContent) -> None:
        """Blocks. Raises OSError."""
        self.path = content.file.path
        self._content = content
        self._groups = {group.start_ms: group for group in content.groups}
        self._numbers = {one.name: number for number, one in enumerate(content.head.tracks)}
        self.descriptor = opening.read(self.path)
        weakref.finalize(self, os.close, self.descriptor)

    def is_unchanged(self) -> bool:
        """Whether it is there as it was when it was looked at."""
        found, known = os.fstat(self.descriptor), self._content
        return (found.st_size, found.st_mtime_ns) == (known.size, known.changed_ns) and (
            found.st_nlink > 0
        )

    def offset(self, start_ms: int) -> int | None:
        """Where the segment that begins then lies, if it is here still."""
        group = self._groups.get(start_ms)
        return group.offset if group is not None and self.is_unchanged() else None

    def find(self, track: str, start_ms: int) -> Gathered | None:
        """What a track has of the segment that begins then, if it is here and in memory."""
        group, number = self._groups.get(start_ms), self._numbers.get(track)
        if group is None or number is None or not self.is_unchanged():
            return None
        offset, size = group.place(number)
        if not size or not is_cached(self.descriptor, offset, size):
            return None
        return Gathered(b"", (Span(offset, size),), size, self)


class NearArchives:
    """Those of a worker, by the archive that they belong to."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Path], NearRecording] = {}

    def opener(self, archive: str, content: FileContent) -> Callable[[], NearRecording] | None:
        """What opens a file, in a thread; None for one that is open, or that cannot be."""
        known = self._open.get((archive, content.file.path))
        if content.copied is not None or len(self._open) >= MAX_OPEN:
            return None
        if known is not None and known.is_unchanged():
            return None
        return lambda: NearRecording(content)

    def keep(self, archive: str, recording: NearRecording) -> None:
        """For a moment, and on for as long as it is `seen` again."""
        self._open[archive, recording.path] = recording
        self.seen(archive, recording.path)
        self._drop_later(archive, weakref.ref(recording), 2 * OPEN_SECONDS)

    def seen(self, archive: str, path: Path) -> None:
        """Somebody has looked for a segment, and it is in that file now."""
        known = self._open.get((archive, path))
        if known is not None and known.is_unchanged():
            known.due = asyncio.get_running_loop().time() + OPEN_SECONDS
            known.is_awaited = False

    def _drop_later(self, archive: str, kept: "weakref.ref[NearRecording]", seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._drop, archive, kept)

    def _drop(self, archive: str, kept: "weakref.ref[NearRecording]") -> None:
        """Let go of it, unless it was seen meanwhile."""
        recording = kept()
        if recording is None or self._open.get((archive, recording.path)) is not recording:
            return
        more = recording.due + OPEN_SECONDS - asyncio.get_running_loop().time()
        if more > 0:
            self._drop_later(archive, kept, more)
        else:
            del self._open[archive, recording.path]

    def place(self, archive: str, start_ms: int) -> tuple[Path, int] | None:
        """The file and the offset of a segment of an archive that is there without a doubt."""
        for (whose, path), recording in self._open.items():
            if whose == archive and (offset := recording.offset(start_ms)) is not None:
                return None if _is_due(recording) else (path, offset)
        return None

    def find(self, archive: str, track: str, start_ms: int) -> Gathered | None:
        """A segment of an archive that can be sent at once."""
        for (whose, _), recording in self._open.items():
            if whose == archive and (found := recording.find(track, start_ms)) is not None:
                return None if _is_due(recording) else found
        return None


def _is_due(recording: NearRecording) -> bool:
    """Whether who asks now is the one who has to look for it anew."""
    if recording.is_awaited or asyncio.get_running_loop().time() < recording.due:
        return False
    recording.is_awaited = True
    return True
