"""Films that are made out of archives in the background: one at a time below a root.

    ROOT/.exports/STREAM/NAME.mp4       a film that is complete
    ROOT/.exports/jobs.json             what was asked for

Invariants: a film has its name only once it is whole; nothing is begun for which the disk has no
room; a job that a server did not finish is told as failed by the next one, and leaves no file.
Everything here blocks on the disk.
"""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from media_api.files import write_file

from media_streamer.archive.copied import opened
from media_streamer.archive.film import check_tracks, film_bytes, moved_segment, starts
from media_streamer.archive.library import Entry, Library, Where
from media_streamer.archive.places import stream_folder

log = logging.getLogger(__name__)

FOLDER = ".exports"
JOBS_FILE = "jobs.json"
PART_SUFFIX = ".part"
MAX_JOBS = 1000
"""Remembered below one root; the oldest finished ones are forgotten, their files stay."""
MAX_SEGMENTS = 250_000
"""Two weeks of segments of 5 s."""
SPARE_BYTES = 512 * 1024 * 1024
"""What an export leaves free for recordings."""
SPARE_PART = 20
"""Or this part of a small disk."""
SYNC_BYTES = 64 * 1024 * 1024
"""So much is given to the disk at a time: recordings come in between."""

Status = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[Status] = frozenset({"done", "failed", "cancelled"})


class ExportJob(msgspec.Struct):
    """A film to be made; written by the thread that makes it, read by the event loop."""

    name: str
    """Of the file, without its ending; nobody guesses it."""
    stream: str
    from_ms: int
    to_ms: int
    created_at: int
    """Unix ms, as all `_at`."""
    status: Status = "queued"
    bytes: int = 0
    """Written so far."""
    size: int = 0
    """Of the whole film."""
    started_at: int = 0
    finished_at: int = 0
    error: str = ""


class Cancelled(Exception):  # noqa: N818 - what somebody asked for
    """The film is not wanted any more."""


def film_path(root: Path, job: ExportJob) -> Path:
    """Where the film of a job is; raises ValueError for a stream that can have no folder."""
    return exported(root, job.stream, job.name)


def exported(root: Path, stream: str, name: str) -> Path:
    """Where a film lies; raises ValueError for a stream that can have no folder."""
    return stream_folder(root / FOLDER, stream) / f"{name}.mp4"


def make_film(
    root: Path,
    where: Where,
    job: ExportJob,
    library: Library,
    stop: threading.Event,
) -> None:
    """Make the film of a job out of the archive.

    Raises OSError, ValueError (with words for people) or Cancelled, and then there is no file.
    """
    entries = library.entries(where, job.from_ms, job.to_ms, MAX_SEGMENTS)
    if not entries:
        raise ValueError("nothing is recorded of that time")
    check_tracks(entries)
    job.size = film_bytes(entries)
    path = film_path(root, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    disk = os.statvfs(path.parent)
    free = disk.f_frsize * disk.f_bavail
    spare = min(SPARE_BYTES, disk.f_frsize * disk.f_blocks // SPARE_PART)
    if free < job.size + spare:
        need = ((job.size + spare - free) >> 20) + 1
        raise ValueError(f"the disk has no room for it: {need} MiB more are needed")
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        with part.open("wb", buffering=0) as out:
            for data in _film(entries, stop):
                _write_all(out.fileno(), data)
                job.bytes += len(data)
                if job.bytes % SYNC_BYTES < len(data):
                    os.fdatasync(out.fileno())
            os.fsync(out.fileno())
        part.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _film(entries: list[Entry], stop: threading.Event) -> Iterator[bytes | bytearray]:
    yield entries[0].content.head.init
    path, read = Path(), None
    with contextlib.ExitStack() as held:
        for number, (entry, zero) in enumerate(zip(entries, starts(entries), strict=True)):
            if stop.is_set():
                raise Cancelled
            content = entry.content
            if read is None or content.file.path != path:
                held.close()
                path = content.file.path
                read = held.enter_context(opened(path, content.copied))
            yield moved_segment(entry, number, zero, read)


def _write_all(descriptor: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_jobs(root: Path) -> list[ExportJob]:
    """What was asked for before this server began; what was under way has failed.

    Raises OSError or ValueError.
    """
    try:
        text = (root / FOLDER / JOBS_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    jobs = msgspec.json.decode(text, type=list[ExportJob])
    for job in jobs:
        if job.status not in ENDED:
            job.status, job.error = "failed", "the server stopped before it was complete"
            path = film_path(root, job)
            path.with_name(path.name + PART_SUFFIX).unlink(missing_ok=True)
    return jobs


def write_jobs(root: Path, jobs: list[ExportJob]) -> None:
    """Raises OSError."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps([msgspec.to_builtins(job) for job in jobs])
    write_file(folder / JOBS_FILE, text + "\n", new_mode=0o644)


def remove_film(root: Path, job: ExportJob) -> None:
    """Delete the film of a job, and the folder of the stream if it is empty; raises OSError."""
    path = film_path(root, job)
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == root / FOLDER:
            break
        try:
            parent.rmdir()
        except OSError:
            break
