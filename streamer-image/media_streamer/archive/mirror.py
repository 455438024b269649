"""The indexes of what a bucket holds, as files of this server: a folder for each copied archive.

    MIRROR/STREAM/YYYY/MM/DD/HH/MM-SS-mmm.idx   head and marks of a file that is in the bucket
    MIRROR/.erase/…                             what has to be erased there yet
    MIRROR/.owner                               who we are to other servers

It is a copy of what the bucket has, made anew from there where it is missing. Invariant: an index
is here only while the media is there. Blocks on the disk.
"""

import json
import os
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from media_streamer.archive.container import (
    FLAGS_OFFSET,
    MAX_HEAD_BYTES,
    Group,
    Head,
    erased_flags,
    mark_bytes,
    read_head,
    read_marks,
)
from media_streamer.archive.places import (
    HOUR_MS,
    RecordedFile,
    file_path,
    files_between,
    index_path,
    stream_folder,
)
from media_streamer.archive.ranges import Range
from media_streamer.archive.stored import remove

ERASE_FOLDER = ".erase"
OWNER_NAME = ".owner"
_KEY = re.compile(r"(.+)/(\d{4})/(\d\d)/(\d\d)/(\d\d)/(\d\d)-(\d\d)-(\d{3})\.(mp4|idx)", re.ASCII)


class Key(NamedTuple):
    """What the name of an object says."""

    stream: str
    start_ms: int
    is_index: bool


def read_key(path: str) -> Key | None:
    """None for what is no file of an archive."""
    found = _KEY.fullmatch(path)
    if found is None:
        return None
    stream, *numbers, kind = found.groups()
    try:
        *when, ms = map(int, numbers)
        start = datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return Key(stream, int(start.timestamp()) * 1000 + ms, kind == "idx")


def media_key(stream: str, start_ms: int) -> str:
    """The name of the object of a file."""
    return file_path(Path(stream), start_ms).as_posix()


def index_key(stream: str, start_ms: int) -> str:
    """The name of that of its index."""
    return index_path(file_path(Path(stream), start_ms)).as_posix()


def make_index(path: Path, head: Head, groups: Sequence[Group]) -> bytes:
    """The index of a file, whole, out of the file itself; raises OSError."""
    size = mark_bytes(len(head.tracks))
    with path.open("rb", buffering=0) as media:
        parts = [os.pread(media.fileno(), head.size, 0)]
        parts += (os.pread(media.fileno(), size, group.offset - size) for group in groups)
    return b"".join(parts)


def read_index(data: bytes) -> tuple[Head, list[Group]]:
    """What an index says; raises ValueError."""
    head = read_head(data)
    return head, list(read_marks(data, head.size, head))


class Mirror:
    """Of one bucket, below one root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def identity(self, wanted: str = "") -> str:
        """Who we are: what was written once, else `wanted`, else a new name. Raises OSError."""
        path = self.folder / OWNER_NAME
        try:
            if found := path.read_text().strip():
                return found
        except FileNotFoundError:
            pass
        made = wanted or uuid.uuid4().hex
        _write(path, made.encode())
        return made

    def path(self, stream: str, start_ms: int) -> Path:
        """Where the index of a file is; raises ValueError for a stream without a folder."""
        return index_path(file_path(stream_folder(self.folder, stream), start_ms))

    def files(self, stream: str) -> list[RecordedFile]:
        """Files whose indexes are here, the oldest first; `path` is that of the index."""
        found = files_between(stream_folder(self.folder, stream), suffix=".idx")
        return [RecordedFile(one.start_ms, index_path(one.path)) for one in found]

    def write(self, stream: str, start_ms: int, index: bytes) -> None:
        """The bucket has that file; raises OSError."""
        _write(self.path(stream, start_ms), index)

    def remove(self, stream: str, start_ms: int) -> None:
        """It has it no more; raises OSError."""
        remove(self.path(stream, start_ms), stream_folder(self.folder, stream))

    # Erasing a part

    def erase(self, stream: str, wanted: Range, span_ms: int) -> int:
        """Nobody finds segments of that time any more; they are put down to be erased in the
        bucket. Returns how many there were. Raises OSError."""
        count = 0
        folder = stream_folder(self.folder, stream)
        from_ms = wanted.from_ms - max(span_ms, HOUR_MS)
        for file in files_between(folder, from_ms, wanted.to_ms, suffix=".idx"):
            path = index_path(file.path)
            try:
                head, groups = read_index(path.read_bytes())
            except (FileNotFoundError, ValueError):
                continue
            chosen = [
                (number, group)
                for number, group in enumerate(groups)
                if not group.erased and Range(group.start_ms, group.end_ms).overlaps(wanted)
            ]
            if chosen:
                # Put down before, for a crash, and after, for who was quick to do the first.
                note = self._put_down(stream, file.start_ms)
                step = mark_bytes(len(head.tracks))
                with path.open("r+b", buffering=0) as index:
                    for number, group in chosen:
                        at = head.size + step * number + FLAGS_OFFSET
                        os.pwrite(index.fileno(), erased_flags(group), at)
                    os.fsync(index.fileno())
                self._put_down(stream, file.start_ms, note)
                count += len(chosen)
        return count

    def _put_down(self, stream: str, start_ms: int, note: str = "") -> str:
        """Returns the name of the note."""
        note = note or uuid.uuid4().hex
        text = json.dumps({"stream": stream, "start_ms": start_ms})
        _write(self.folder / ERASE_FOLDER / note, text.encode())
        return note

    def to_erase(self) -> list[tuple[Path, str, int]]:
        """The note, stream and start of each file of which something is to be erased."""
        found = []
        try:
            notes = [one for one in (self.folder / ERASE_FOLDER).iterdir() if not one.suffix]
        except FileNotFoundError:
            return []
        for note in notes:
            try:
                said = json.loads(note.read_bytes())
                found.append((note, str(said["stream"]), int(said["start_ms"])))
            except (OSError, ValueError, KeyError, TypeError):
                note.unlink(missing_ok=True)
        return found


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(path.name + ".new")
    with made.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    made.rename(path)


MAX_INDEX_BYTES = MAX_HEAD_BYTES + 16 * 1024 * 1024
"""Of a file: more marks than an hour can have."""
