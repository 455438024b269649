"""The archives that an egress worker reads: in threads, bounded in number and time."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from media_streamer.archive.library import Entry, Library, TooMuch
from media_streamer.archive.places import Place, places_of
from media_streamer.disk_threads import DiskBusy, DiskThreads
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.near_archives import NearArchives

Result = TypeVar("Result")

MAX_SEGMENTS = 50_000
"""In one playlist: 69 hours of segments of 5 s. A list of it is 4 MB."""


class ArchiveReader:
    """One per worker."""

    def __init__(self) -> None:
        self.library = Library()
        self.near = NearArchives()
        self._threads = DiskThreads("archive")

    async def run(
        self, access: Access, work: Callable[[], Result], file: Path | None = None
    ) -> Result:
        """Do something that may block on the disks of a stream's archive, or on that of `file`.

        Raises AccessDenied(503) if the disk does not answer, and what `work` raises.
        """
        try:
            return await self._threads.run(_disk(access, file), work)
        except DiskBusy:
            raise AccessDenied(503, "archive_busy", "The archive is busy, try again") from None
        except TimeoutError:
            title = "The disk of the archive does not answer"
            raise AccessDenied(503, "archive_unavailable", title) from None

    def folder(self, access: Access) -> Path:
        """Where its locks lie; raises AccessDenied(404) if there is none."""
        if not access.config.archive:
            raise AccessDenied(404, "no_archive", "The stream has no archive")
        return Path(access.config.archive)

    def places(self, access: Access) -> list[Place]:
        """All parts of the archive; raises AccessDenied(404) if there is none."""
        self.folder(access)
        return places_of(access.config.archive_places)

    async def entries(self, access: Access, from_ms: int, to_ms: int) -> list[Entry]:
        """Segments of a time; raises AccessDenied: 404 if nothing is recorded, 400 for too many."""
        places = self.places(access)

        def read() -> list[Entry]:
            return self.library.entries(places, from_ms, to_ms, MAX_SEGMENTS)

        try:
            found = await self.run(access, read)
        except TooMuch:
            title = f"That is more than {MAX_SEGMENTS} segments: ask for a shorter time"
            raise AccessDenied(400, "range_too_long", title) from None
        except OSError as error:
            title = f"The archive cannot be read: {error.strerror}"
            raise AccessDenied(503, "archive_unavailable", title) from None
        if not found:
            title = "Nothing is recorded of that time"
            raise await self.missing(access, AccessDenied(404, "not_recorded", title))
        return found

    async def missing(self, access: Access, answer: AccessDenied) -> AccessDenied:
        """`answer` to who asked for what is not there; another one where a disk of the archive does
        not answer or is gone, for it may be there."""
        places = self.places(access)
        if not await self.run(access, lambda: self.library.is_partial(places)):
            return answer
        title = "It may be on a disk of the archive that does not answer or is not mounted"
        return AccessDenied(503, "archive_unavailable", title)


def _disk(access: Access, file: Path | None) -> str:
    """Whose threads read: a file on a disk that hangs takes none of those that read the others."""
    for disk, folder, _ in access.config.archive_places if file is not None else ():
        if file is not None and file.is_relative_to(folder):
            return disk
    return f"{access.config.archive_root} "
