"""Copies finished files of archives into one bucket, in a thread of its own.

What has to be copied is what lies on the disks and is not in the bucket: nothing else is put down,
so nothing can be forgotten or done twice by a crash. An index goes first, then the media, which
appears whole: a file is in the bucket once its media is. The oldest goes first; what fails is tried
again, for as long as the limits of this server's disks keep the file.

One server a bucket and folder (`bucket_owner`). Recording and live know nothing of all this.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from media_streamer.archive.background import Background
from media_streamer.archive.bucket_owner import TAKEOVER_SECONDS, BucketOwner
from media_streamer.archive.container import Group
from media_streamer.archive.declared import Declared
from media_streamer.archive.erasing import erase_within
from media_streamer.archive.library import read_all
from media_streamer.archive.locks import read_locks
from media_streamer.archive.measuring import LOOK_SECONDS, Measured, times_of_index
from media_streamer.archive.mirror import (
    MAX_INDEX_BYTES,
    Mirror,
    index_key,
    make_index,
    media_key,
    read_index,
    read_key,
)
from media_streamer.archive.places import RecordedFile, index_path
from media_streamer.archive.ranges import Range
from media_streamer.archive.retention import Disk, StoredFile, expired
from media_streamer.archive.stored import OVERHANG_MS
from media_streamer.s3.address import S3Address
from media_streamer.s3.bucket import Bucket, S3Error

log = logging.getLogger(__name__)

LIST_SECONDS = 86_400.0
"""A bucket may have rules of its own that delete: what it holds is looked at this often."""
KEEP_SECONDS = 600.0
IDLE_SECONDS = 5.0
FIRST_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0
INDEXES_A_ROUND = 100
CHUNK_BYTES = 1024 * 1024
LEAST_CHUNK_BYTES = 16 * 1024
REWRITE_BYTES = 8 * 1024 * 1024
MAX_GROWTH_AGE_MS = 2 * 3_600_000
"""A file of a disk that hung may grow for so long after it was copied."""
TRIES = 3


class Waiting(NamedTuple):
    """A file to be copied."""

    stream: str
    start_ms: int
    end_ms: int
    path: Path
    size: int


@dataclass(slots=True)
class CopyFigures:
    """Of one stream; written by the thread, read by the event loop."""

    files: int = 0
    bytes: int = 0
    """Copied since this server began."""
    errors: int = 0
    lost: int = 0
    """Files that the limits of the disk took before they were copied."""
    waiting_files: int = 0
    waiting_bytes: int = 0
    oldest_ms: int = 0
    """End of the oldest that waits; 0: none does."""
    stored_files: int = 0
    stored_bytes: int = 0
    """What is in the bucket."""
    from_ms: int = 0
    """Start of the oldest file there."""
    ranges: tuple[Range, ...] | None = None
    """When there is something of it there; None: not known yet."""


@dataclass(slots=True)
class _Stream:
    declared: Declared
    mirror: Mirror
    known: dict[int, int] = field(default_factory=dict)
    """Size by start of what the bucket has."""
    seen: dict[int, int] = field(default_factory=dict)
    """Size on the disk when it was copied."""
    is_listed: bool = False
    measured: Measured = field(default_factory=lambda: Measured(times_of_index, index_path))
    figures: CopyFigures = field(default_factory=CopyFigures)


class Copier(Background):
    """Runs until `close`."""

    def __init__(
        self, address: S3Address, hostname: str, takeover: float = TAKEOVER_SECONDS
    ) -> None:
        super().__init__("archive copy")
        self.address = address
        self.problem = ""
        """Why nothing is copied now; empty: it is, or there is nothing to do."""
        self._bucket = Bucket(address)
        self._owner = BucketOwner(self._bucket, hostname, takeover)
        self._asked = False
        self._streams: dict[str, _Stream] = {}
        self._local: dict[Path, list[StoredFile]] = {}
        self._useless: set[Path] = set()
        """Files with nothing to copy."""
        self._fetch: list[tuple[str, int]] = []
        """Indexes that are in the bucket and not here."""
        self._listed_at = self._kept_at = -1e9
        self._episodes: Mapping[str, Sequence[Range]] = {}
        self.asks: frozenset[str] = frozenset()
        """Streams of which the limits would delete something: nobody said what episodes keep."""
        self._begin()

    # From the event loop

    def set_streams(self, streams: Mapping[str, Declared]) -> None:
        """Copy these, all to this bucket."""
        with self._changed:
            made = {}
            for name, one in streams.items():
                assert one.copy is not None
                old = self._streams.get(name)
                if old is not None and old.declared.folder == one.folder:
                    made[name] = replace(old, declared=one)
                else:
                    made[name] = _Stream(one, Mirror(one.copy.mirror(one.root)))
            self._streams = made
            self._wake()

    def set_local(self, disk: Path, files: Sequence[StoredFile]) -> None:
        """What lies on a disk now."""
        with self._changed:
            self._local[disk] = [file for file in files if file.stream in self._streams]
            self._wake()

    def keep(self, episodes: Mapping[str, Sequence[Range]]) -> None:
        """What episodes keep of the streams in `asks`: their limits are kept now."""
        with self._changed:
            self._episodes, self._kept_at = episodes, -1e9
            self._wake()

    def wake(self) -> None:
        """There is something to erase."""
        with self._changed:
            self._wake()

    def _wake(self) -> None:
        self._asked = True
        self._changed.notify()

    def figures(self, stream: str) -> CopyFigures | None:
        found = self._streams.get(stream)
        return found.figures if found is not None else None

    # The thread

    def _run(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                has_more = self._round()
            except (OSError, ValueError) as error:
                self._failed(error)
                self._rest(pause)
                pause = min(2 * pause, MAX_RETRY_SECONDS)
                continue
            except Exception as error:
                log.exception("archive: copying to %s failed", self.address)
                self._failed(error)
                self._rest(MAX_RETRY_SECONDS)
                continue
            if self.problem:
                log.info("archive: copied to %s again", self.address)
            self.problem, pause = "", FIRST_RETRY_SECONDS
            if not has_more:
                self._rest(IDLE_SECONDS, lambda: self._asked)
                self._asked = False

    def _ended(self) -> None:
        self._owner.give_back()

    def _failed(self, error: Exception) -> None:
        words = str(error.strerror) if isinstance(error, S3Error) else str(error)
        words = words or type(error).__name__
        if words != self.problem:
            log.error("archive: not copied to %s: %s; it is tried again", self.address, words)
        self.problem = words

    def _round(self) -> bool:
        """All there is to do now; whether there is more."""
        streams = self._streams
        if not streams:
            return False
        self._hold()
        now = time.monotonic()
        is_new = not all(one.is_listed for one in streams.values())
        if is_new or now - self._listed_at > LIST_SECONDS:
            self._list(streams)
        for one in {id(one.mirror): one.mirror for one in streams.values()}.values():
            for note, stream, start_ms in one.to_erase():
                self._erase(streams.get(stream), stream, start_ms)
                note.unlink(missing_ok=True)
        for waiting in self._waiting(streams):
            self._hold()
            self._copy(streams[waiting.stream], waiting)
            if self._streams is not streams:
                return True
        if now - self._kept_at > KEEP_SECONDS:
            self._kept_at = now
            self._keep_limits(streams)
        self._fetch_indexes(streams)
        self._count(streams, [])
        return bool(self._fetch)

    def _hold(self) -> None:
        """Nobody else copies there. Raises Held, S3Error, Stopped."""
        self._check()
        self._owner.hold(one.mirror for one in list(self._streams.values()))

    def _hold_while_sending(self) -> None:
        """The same from within a transfer, where the client cannot be called: a file of an hour may
        take longer than others wait."""
        if self._owner.is_due:
            with ThreadPoolExecutor(1) as beside:
                beside.submit(self._hold).result()

    # What is there

    def _list(self, streams: Mapping[str, _Stream]) -> None:
        media: dict[str, dict[int, int]] = {name: {} for name in streams}
        indexes: dict[str, set[int]] = {name: set() for name in streams}
        for found in self._bucket.all():
            self._check()
            key = read_key(found.path)
            if key is None or key.stream not in streams:
                continue
            if key.is_index:
                indexes[key.stream].add(key.start_ms)
            else:
                media[key.stream][key.start_ms] = found.size
        self._fetch = []
        for name, one in streams.items():
            one.known = {n: size for n, size in media[name].items() if n in indexes[name]}
            here = {file.start_ms for file in one.mirror.files(name)}
            for start_ms in here - one.known.keys():
                one.mirror.remove(name, start_ms)
            self._fetch += ((name, start_ms) for start_ms in sorted(one.known.keys() - here))
            one.is_listed = True
        self._listed_at = time.monotonic()

    def _fetch_indexes(self, streams: Mapping[str, _Stream]) -> None:
        """Some of those that are missing here."""
        batch, self._fetch = self._fetch[:INDEXES_A_ROUND], self._fetch[INDEXES_A_ROUND:]
        for number, (name, start_ms) in enumerate(batch):
            try:
                self._hold()
                found = self._bucket.read(index_key(name, start_ms), 0, MAX_INDEX_BYTES)
            except BaseException:
                self._fetch = batch[number:] + self._fetch
                raise
            if found is not None and (one := streams.get(name)) is not None:
                try:
                    read_index(found.data)
                except ValueError as error:
                    log.error(
                        "archive: %s of %s: %s", index_key(name, start_ms), self.address, error
                    )
                    continue
                one.mirror.write(name, start_ms, found.data)

    # Copying

    def _waiting(self, streams: Mapping[str, _Stream]) -> list[Waiting]:
        """The oldest first."""
        now_ms = int(time.time() * 1000)
        with self._changed:
            files = [file for found in self._local.values() for file in found]
        found = []
        for file in files:
            one, path, start_ms = streams.get(file.stream), Path(file.id), file.time.from_ms
            if one is None or file.is_open or path in self._useless:
                continue
            if start_ms not in one.known and _is_beyond(one, file, now_ms):
                continue
            if start_ms in one.known:
                is_recent = now_ms - file.time.to_ms < MAX_GROWTH_AGE_MS
                if not is_recent or not _has_grown(
                    path, one.seen.get(start_ms, one.known[start_ms])
                ):
                    continue
            found.append(Waiting(file.stream, start_ms, file.time.to_ms, path, file.size))
        found.sort(key=lambda one: one.end_ms)
        self._count(streams, found)
        return found

    @staticmethod
    def _count(streams: Mapping[str, _Stream], waiting: Sequence[Waiting]) -> None:
        until = time.monotonic() + LOOK_SECONDS
        for name, one in streams.items():
            own = [file for file in waiting if file.stream == name] if waiting else []
            figures = one.figures
            figures.waiting_files, figures.waiting_bytes = len(own), sum(f.size for f in own)
            figures.oldest_ms = own[0].end_ms if own else 0
            figures.stored_files, figures.stored_bytes = len(one.known), sum(one.known.values())
            figures.from_ms = min(one.known, default=0)
            path = partial(one.mirror.path, name)
            figures.ranges = one.measured.look(one.known, path, until)

    def _copy(self, one: _Stream, file: Waiting) -> None:
        try:
            self._send(one, file.stream, RecordedFile(file.start_ms, file.path))
        except FileNotFoundError as error:
            if isinstance(error, S3Error) or file.path.exists():
                raise
            one.figures.lost += 1
            log.error(
                "stream %s: %s was deleted by the limits of its disk before it was copied to %s",
                file.stream,
                file.path.name,
                self.address,
            )
        except OSError:
            one.figures.errors += 1
            raise
        figures = one.figures
        figures.waiting_files = max(0, figures.waiting_files - 1)
        figures.waiting_bytes = max(0, figures.waiting_bytes - file.size)

    def _send(self, one: _Stream, stream: str, file: RecordedFile) -> None:
        """Copy a file as it is now; raises OSError."""
        for _ in range(TRIES):
            size = file.path.stat().st_size
            try:
                head, groups = read_all(file, size)
            except ValueError as error:
                log.warning("archive: %s is not copied: %s", file.path, error)
                self._useless.add(file.path)
                return
            if all(group.erased for group in groups):
                self._useless.add(file.path)
                return
            end = groups[-1].offset + groups[-1].size
            index = make_index(file.path, head, groups)
            self._bucket.put(index_key(stream, file.start_ms), index)
            self._bucket.send(media_key(stream, file.start_ms), self._chunks(one, file.path, end))
            one.mirror.write(stream, file.start_ms, index)
            # Something of it may have been erased meanwhile: then it is sent once more.
            if _erased(read_all(file, size)[1]) == _erased(groups):
                break
        one.known[file.start_ms], one.seen[file.start_ms] = end, size
        one.figures.files += 1
        one.figures.bytes += end

    def _chunks(self, one: _Stream, path: Path, end: int) -> Iterator[bytes]:
        copy = one.declared.copy
        rate = copy.rate if copy is not None else 0
        chunk = CHUNK_BYTES
        if rate:
            # A file that is no longer than a chunk is held back by its rate, too.
            chunk = min(CHUNK_BYTES, max(LEAST_CHUNK_BYTES, rate // 4))
        began, sent = time.monotonic(), 0
        with path.open("rb", buffering=0) as media:
            while sent < end:
                self._hold_while_sending()
                data = media.read(min(chunk, end - sent))
                if not data:
                    raise S3Error(f"{path} is shorter than it was")
                sent += len(data)
                yield data
                self._pace(began, sent, rate)

    # Going away

    def _keep_limits(self, streams: Mapping[str, _Stream]) -> None:
        """Delete what the limits of the bucket say, but no locked part and no episode."""
        (episodes, self._episodes), files, locks, limits = (self._episodes, {}), [], {}, {}
        for name, one in streams.items():
            copy = one.declared.copy
            if copy is None or (copy.limits.expiration_seconds or copy.limits.size_bytes) is None:
                continue
            limits[name] = copy.limits
            locks[name] = [*read_locks(one.declared.folder), *episodes.get(name, ())]
            starts = sorted(one.known)
            longest = one.declared.span_ms + OVERHANG_MS
            for start_ms, following in zip(starts, [*starts[1:], 2**60], strict=True):
                time_of = Range(start_ms, min(following, start_ms + longest))
                files.append(
                    StoredFile(name, f"{name} {start_ms}", time_of, one.known[start_ms], False)
                )
        due = expired(files, limits, locks, Disk(0, 0), int(time.time() * 1000))
        gone = [file for file in due if file.stream in episodes]
        self.asks = frozenset(file.stream for file in due) - episodes.keys()
        for file in gone:
            self._hold()
            self._delete(streams[file.stream], file.stream, file.time.from_ms)
        if gone:
            log.info("archive: %d files deleted of %s by its limits", len(gone), self.address)

    def _delete(self, one: _Stream, stream: str, start_ms: int) -> None:
        # First nobody finds it any more, then the media goes, by which it is gone.
        one.mirror.remove(stream, start_ms)
        self._bucket.delete(media_key(stream, start_ms))
        self._bucket.delete(index_key(stream, start_ms))
        one.known.pop(start_ms, None)

    def _erase(self, one: _Stream | None, stream: str, start_ms: int) -> None:
        """Make the bucket hold no more of a file than its index here says."""
        if one is None:
            return
        try:
            index = one.mirror.path(stream, start_ms).read_bytes()
        except FileNotFoundError:
            return
        one.measured.forget()
        head, groups = read_index(index)
        if all(group.erased for group in groups):
            self._delete(one, stream, start_ms)
            return
        with self._changed:
            files = [file for found in self._local.values() for file in found]
        for file in files:
            if (file.stream, file.time.from_ms) == (stream, start_ms) and Path(file.id).exists():
                self._send(one, stream, RecordedFile(start_ms, Path(file.id)))
                return
        self._rewrite(one, stream, start_ms, index, groups, head.size, len(head.tracks))

    def _rewrite(
        self, one: _Stream, stream: str, start_ms: int, index: bytes, groups: list[Group],
        head: int, tracks: int,
    ) -> None:  # fmt: skip
        """Of a file that is only in the bucket."""
        key, end = media_key(stream, start_ms), groups[-1].offset + groups[-1].size
        made = one.mirror.folder / "rewritten.mp4"
        try:
            with made.open("wb") as out:
                while out.tell() < end:
                    self._hold()
                    found = self._bucket.read(key, out.tell(), min(out.tell() + REWRITE_BYTES, end))
                    if found is None or not found.data:
                        raise S3Error(f"{key} is not in its bucket any more")
                    out.write(found.data)
            index_path(made).unlink(missing_ok=True)
            erased = [group for group in groups if group.erased]
            erase_within(RecordedFile(start_ms, made), head, tracks, groups, erased)
            self._bucket.put(index_key(stream, start_ms), index)
            self._bucket.send(key, self._chunks(one, made, end))
        finally:
            made.unlink(missing_ok=True)


def _is_beyond(one: _Stream, file: StoredFile, now_ms: int) -> bool:
    """It would be deleted there as soon as it came."""
    copy = one.declared.copy
    if copy is None:
        return False
    age, size = copy.limits.expiration_seconds, copy.limits.size_bytes
    if age is not None and file.time.to_ms <= now_ms - age * 1000:
        return True
    is_oldest = bool(one.known) and file.time.from_ms < min(one.known)
    return size is not None and is_oldest and sum(one.known.values()) + file.size > size


def _erased(groups: Sequence[Group]) -> list[bool]:
    return [group.erased for group in groups]


def _has_grown(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size > size
    except OSError:
        return False
