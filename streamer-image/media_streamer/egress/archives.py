"""The archives that an egress worker reads: in threads, bounded in number and time."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from media_streamer.archive.library import Entry, Library, TooMuch
from media_streamer.disk_threads import DiskBusy, DiskThreads
from media_streamer.egress.access import Access, AccessDenied

Result = TypeVar("Result")

MAX_SEGMENTS = 50_000
"""In one playlist: 69 hours of segments of 5 s. A list of it is 4 MB."""


class ArchiveReader:
    """One per worker."""

    def __init__(self) -> None:
        self.library = Library()
        self._threads = DiskThreads("archive")

    async def run(self, access: Access, work: Callable[[], Result]) -> Result:
        """Do something that may block on the disk of a stream's archive.

        Raises AccessDenied(503) if the disk does not answer, and what `work` raises.
        """
        try:
            return await self._threads.run(access.config.archive_root, work)
        except DiskBusy:
            raise AccessDenied(503, "archive_busy", "The archive is busy, try again") from None
        except TimeoutError:
            title = "The disk of the archive does not answer"
            raise AccessDenied(503, "archive_unavailable", title) from None

    def folder(self, access: Access) -> Path:
        """Where the archive lies; raises AccessDenied(404) if there is none."""
        if not access.config.archive:
            raise AccessDenied(404, "no_archive", "The stream has no archive")
        return Path(access.config.archive)

    async def entries(self, access: Access, from_ms: int, to_ms: int) -> list[Entry]:
        """Segments of a time; raises AccessDenied: 404 if nothing is recorded, 400 for too many."""
        folder = self.folder(access)

        def read() -> list[Entry]:
            return self.library.entries(folder, from_ms, to_ms, MAX_SEGMENTS)

        try:
            found = await self.run(access, read)
        except TooMuch:
            title = f"That is more than {MAX_SEGMENTS} segments: ask for a shorter time"
            raise AccessDenied(400, "range_too_long", title) from None
        except OSError as error:
            title = f"The archive cannot be read: {error.strerror}"
            raise AccessDenied(503, "archive_unavailable", title) from None
        if not found:
            raise AccessDenied(404, "not_recorded", "Nothing is recorded of that time")
        return found
