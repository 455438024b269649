"""What of an archive comes from another server: where it lies, and how a file of it is put there.

    DISK/.replicas/NAME/YYYY/MM/DD/HH/MM-SS-mmm.mp4   files like all of an archive
    DISK/.replicas/.part/…                            one that is on its way
    DISK/.replicas/NAME/left_out.json                 what was deleted, and must not come back

A place of its own, for a file that is being recorded goes on after the gap that is filled: readers
put places into order of time, and files of one place are in order by themselves. Invariant: a file
appears whole, with its marks read through, or not at all. Blocks on the disk.
"""

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from media_api.dvr import DvrBase
from media_api.files import write_file
from media_api.stream import StreamConfig

from media_streamer.archive.gaps import fills
from media_streamer.archive.library import read_all
from media_streamer.archive.mirror import make_index
from media_streamer.archive.origin import Origin, origin_of
from media_streamer.archive.places import (
    HOUR_MS,
    OWNER_FILE,
    Place,
    RecordedFile,
    file_path,
    index_path,
    stream_folder,
)
from media_streamer.archive.ranges import Range, merge

FOLDER = ".replicas"
PART_FOLDER = ".part"
LEFT_OUT_FILE = "left_out.json"
MAX_LEFT_OUT = 10_000
ROOM_BYTES = 512 * 1024 * 1024
ROOM_SHARE = 20
"""This part of a small disk is left to what is recorded here."""


class NoReplica(ValueError):  # noqa: N818 - what people are told
    """`replicate` is asked for and cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class ReplicaSource:
    """Where the gaps of an archive are filled from, and where that is put."""

    base: str
    """`http://HOST:PORT`"""
    stream: str
    """Its name there."""
    place: Place
    cluster_key: str = field(repr=False)
    rate: int = 0
    """Bytes a second; 0: as for all streams together."""

    @property
    def host(self) -> str:
        """For people."""
        return self.base.partition("://")[2].rpartition("@")[2]


def replica_source(
    stream: StreamConfig, given: Iterable[DvrBase], disk: Path
) -> ReplicaSource | None:
    """None if nobody asks for it. `given`: options, first those of the stream, which win; `disk`:
    one that it is recorded on. Raises NoReplica."""
    options = list(given)

    def said(name: str) -> int | None:
        return next((n for one in options if (n := getattr(one, name)) is not None), None)

    if not said("dvr_replicate"):
        return None
    origin = next(filter(None, map(origin_of, stream.inputs)), None)
    if origin is None:
        if not options[0].dvr_replicate:
            return None  # its storage asks for it, for those that have an origin
        raise NoReplica(
            "no input is m4f://HOST/NAME or hls://HOST/NAME/index.m3u8 of another server"
        )
    if not origin.cluster_key:
        raise NoReplica(f"the input from {_host(origin)} has no cluster_key")
    base = origin.base
    if port := said("replication_port"):
        scheme, _, host = base.partition("://")
        name = host[: host.index("]") + 1] if "]" in host else host.partition(":")[0]
        base = f"{scheme}://{name}:{port}"
    root = disk / FOLDER
    place = Place(root, stream_folder(root, stream.name))
    rate = (said("replication_speed") or 0) // 8
    return ReplicaSource(base, origin.stream, place, origin.cluster_key, rate)


def _host(origin: Origin) -> str:
    return origin.base.partition("://")[2].rpartition("@")[2]


def part_path(source: ReplicaSource) -> Path:
    """The file that is on its way; raises OSError where nothing may be written."""
    root = source.place.disk
    if not (root / OWNER_FILE).exists():
        raise FileNotFoundError(f"{root} is not the archive that it was: is it mounted?")
    usage = shutil.disk_usage(root)
    if usage.free < min(ROOM_BYTES, usage.total // ROOM_SHARE):
        raise OSError(f"the disk of {root.parent} is full")
    (root / PART_FOLDER).mkdir(exist_ok=True)
    name = blake2b(str(source.place.folder).encode(), digest_size=12).hexdigest()
    return root / PART_FOLDER / f"{name}.mp4"


@dataclass(frozen=True, slots=True)
class Installed:
    """What a file has that was put in its place."""

    to_ms: int
    segments: int
    bytes: int
    duration_ms: int


def install(part: Path, source: ReplicaSource, gap: Range, places: Sequence[Place]) -> Installed:
    """Put a file that came whole to the others. `places`: all of the stream, of which no two have
    files of one name. Raises OSError, ValueError for what it must not be."""
    size = part.stat().st_size
    head, groups = read_all(RecordedFile(gap.from_ms, part), size)
    if not groups or groups[-1].offset + groups[-1].size != size:
        raise ValueError("the other server sends no whole file of an archive")
    ends = [group.end_ms for group in groups]
    starts = [group.start_ms for group in groups]
    in_order = starts == sorted(starts) and ends == sorted(ends)
    if not in_order or not all(
        fills(one, gap) and one.duration_us < HOUR_MS * 1000 for one in groups
    ):
        raise ValueError("the other server sends what it was not asked for")
    index, start_ms = make_index(part, head, groups), starts[0]
    while any(file_path(place.folder, start_ms).exists() for place in places):
        start_ms += 1
    path = file_path(source.place.folder, start_ms)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Its index first: without the file nobody looks at it, and it is written over.
    index_path(path).write_bytes(index)
    with part.open("rb") as media:
        os.fsync(media.fileno())
    part.rename(path)
    return Installed(ends[-1], len(groups), size, sum(one.duration_us for one in groups) // 1000)


def read_left_out(folder: Path) -> list[Range]:
    """What somebody deleted here. Raises OSError, ValueError."""
    try:
        found = json.loads((folder / LEFT_OUT_FILE).read_text())
        return merge((Range(int(start), int(end)) for start, end in found), 0)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{folder / LEFT_OUT_FILE} cannot be read") from error


def leave_out(folder: Path, deleted: Range, now_ms: int, expiration_seconds: int | None) -> None:
    """What is deleted now must not come back; raises OSError, ValueError for too much of it."""
    ranges = merge([*read_left_out(folder), deleted], 0)
    if expiration_seconds is not None:
        ranges = [one for one in ranges if one.to_ms > now_ms - expiration_seconds * 1000]
    if len(ranges) > MAX_LEFT_OUT:
        raise ValueError(f"{MAX_LEFT_OUT} parts were deleted already")
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / LEFT_OUT_FILE, json.dumps(ranges) + "\n", new_mode=0o644)
