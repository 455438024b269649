"""The stored files on disk.

A file `xx/DIGEST.STORED.EXPIRES` (Unix ms, Unix s or 0 for never) is a head (what it is, checksum)
and the body. It is written under `new/` and renamed when complete, so a killed process leaves whole
files or none. What a power cut may do to a renamed file is found by the checksum at its first use
after a start. The file's mtime is its last use: the order of use survives a restart. The index is
in memory; a lock makes sure that there is only one of it.

Blocking work is done in threads, but for opening a file known to exist.
"""

import asyncio
import errno
import fcntl
import json
import logging
import math
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import IO

from media_streamer import opening
from media_streamer.cache.held import Held, HeldFiles
from media_streamer.cache.index import Entry, Index, Meta

log = logging.getLogger(__name__)

MAGIC = b"MEDIACACHE1\n"
MAX_HEAD_BYTES = 16 * 1024
FREE_SHARE = 0.05
"""Of the file system, kept free where no size limit is set."""
TOUCH_SECONDS = 60.0
"""The last use on disk is that much behind at most: one small write a file and minute."""
SWEEP_SECONDS = 5.0
READ_BYTES = 1 << 20
OnEvicted = Callable[[str, int], None]
"""Reason ("size", "age", "broken") and number of files."""


class StoreError(OSError):
    """The directory cannot be used; the message says why."""


class Store:
    """`storage_bytes` and `expiration_seconds`: 0 = no limit."""

    def __init__(
        self,
        path: Path,
        storage_bytes: int = 0,
        expiration_seconds: int = 0,
        on_evicted: OnEvicted = lambda reason, number: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._new = path / "new"
        self._expiration = expiration_seconds or math.inf
        self._keeps_free = storage_bytes == 0
        self._index = Index(storage_bytes or math.inf)
        self._on_evicted = on_evicted
        self._clock = clock
        self._lock: IO[bytes] | None = None
        self._held = HeldFiles()
        self._number = 0

    def __len__(self) -> int:
        return len(self._index)

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return self._index.total

    async def open(self) -> None:
        """Lock the directory and find what is stored; raises StoreError."""
        for entry in await asyncio.to_thread(self._prepare):
            entry.expires_at = min(entry.expires_at, entry.stored_at + self._expiration)
            await self._drop(self._index.add(entry), "size")
        await self.sweep()

    def close(self) -> None:
        """Let go of the files and of the lock."""
        self._held.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def find(self, key: str) -> tuple[IO[bytes], Entry, Meta] | None:
        """The open file, to be closed by the caller, or None. Counts as a use."""
        now = self._clock()
        entry = self._index.use(_digest(key), now)
        if entry is None:
            return None
        try:
            file = opening.read_file(self._file(entry))
        except OSError as error:
            log.warning("stored file %s cannot be opened: %s", entry.name, error.strerror)
            await self._drop_broken(entry)
            return None
        try:
            if entry.meta is None:
                entry.meta = await asyncio.to_thread(_verify, file, key)
            if now - entry.touched_at > TOUCH_SECONDS:
                entry.touched_at = now
                os.utime(file.fileno(), (now, now))
        except (OSError, ValueError) as error:
            file.close()
            log.warning("stored file %s is broken, removed: %s", entry.name, error)
            await self._drop_broken(entry)
            return None
        except BaseException:
            file.close()
            raise
        return file, entry, entry.meta

    def held(self, key: str, now: float) -> Held | None:
        """The file, if it is open and can be sent at once; None says no more than that.

        Counts as a use. `now`: Unix seconds.
        """
        held = self._held.get(key)
        if held is None or now - held.entry.touched_at > TOUCH_SECONDS or not held.is_ready(now):
            return None
        return held if self._index.use(held.entry.key, now) is held.entry else None

    def hold(self, key: str, file: IO[bytes], entry: Entry, *, is_read: bool) -> None:
        """Keep a file open that was found and will be asked for again; `is_read`: the whole of it
        has just been read."""
        now = self._clock()
        if entry.meta is None or self._index.get(entry.key, now) is not entry:
            return
        try:
            held = self._held.hold(key, file, entry, entry.meta)
        except OSError as error:
            log.warning("stored file %s is not kept open: %s", entry.name, error.strerror)
            return
        if is_read:
            held.looked_at = now

    def holds(self, key: str, *, public: bool) -> bool:
        """Whether storing this again, with that mark, would change nothing."""
        entry = self._index.get(_digest(key), self._clock())
        return entry is not None and (entry.meta is None or entry.meta.public or not public)

    async def put(
        self, key: str, chunks: Sequence[bytes], meta: Meta, lifetime_seconds: float
    ) -> bool:
        """Store a file; `meta.offset` is set here. False if its size is over the limit.

        Raises OSError if the disk fails; nothing of the file is left then.
        """
        now = self._clock()
        head = await asyncio.to_thread(_head, key, chunks, meta)
        meta = Meta(**(asdict(meta) | {"offset": len(head)}))
        until = now + lifetime_seconds
        digest = _digest(key)
        expires = math.ceil(until) if until < math.inf else 0
        entry = Entry(digest, len(head) + meta.length, now, touched_at=now, meta=meta)
        entry.name = f"{digest}.{int(now * 1000)}.{expires}"
        entry.expires_at = min(until, now + self._expiration)
        if entry.size > self._index.limit:
            return False
        await self._make_room(entry.size)
        self._number += 1
        temporary = self._new / str(self._number)
        try:
            await asyncio.to_thread(_write, temporary, self._file(entry), [head, *chunks])
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                await self._drop(self._index.shrink(self.total - 2 * entry.size), "size")
            raise
        left = self._index.add(entry)
        # The same name, stored twice within a millisecond: the file is the new one's.
        await self._drop([old for old in left if old.name != entry.name], "size")
        return True

    async def sweep(self) -> None:
        """Remove what is too old, and what fills the disk."""
        await self._drop(self._index.expire(self._clock()), "age")
        await self._make_room(0)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except OSError as error:
                log.warning("cache directory %s: %s", self._path, error)

    async def _make_room(self, size: int) -> None:
        """Without a limit: enough that a file of `size` leaves the share of the disk free."""
        if not self._keeps_free:
            return
        usage = await asyncio.to_thread(shutil.disk_usage, self._path)
        lacking = size + usage.total * FREE_SHARE - usage.free
        if lacking <= 0:
            return
        if size and lacking > self.total:
            raise OSError(errno.ENOSPC, "others than the cache fill the disk")
        await self._drop(self._index.shrink(self.total - lacking), "size")

    async def _drop(self, entries: Sequence[Entry], reason: str) -> None:
        for entry in entries:
            self._held.forget(entry)
        if entries:
            self._on_evicted(reason, len(entries))
            await asyncio.to_thread(_remove, [self._file(entry) for entry in entries])

    async def _drop_broken(self, entry: Entry) -> None:
        if self._index.get(entry.key, -math.inf) is entry:
            self._index.remove(entry.key)
        await self._drop([entry], "broken")

    def _file(self, entry: Entry) -> Path:
        return self._path / entry.name[:2] / entry.name

    def _prepare(self) -> list[Entry]:
        """Entries of the files on disk, the one used longest ago first."""
        try:
            opening.make_folder(self._path)
            self._lock = os.fdopen(opening.make(self._path / "lock"), "wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            opening.make_folder(self._new)
            with opening.listed(self._new) as left:
                _remove([self._new / one.name for one in left])
            entries = list(_scan(self._path))
        except BlockingIOError:
            self.close()
            raise StoreError(f"{self._path} is in use by another cache") from None
        except OSError as error:
            self.close()
            raise StoreError(f"{self._path} cannot be used: {error.strerror}") from error
        return sorted(entries, key=lambda entry: entry.touched_at)


def _digest(key: str) -> str:
    return blake2b(key.encode(), digest_size=16).hexdigest()


def _scan(path: Path) -> Iterable[Entry]:
    for first in range(256):
        directory = path / f"{first:02x}"
        if not directory.is_dir():
            continue
        with opening.listed(directory) as files:
            for file in files:
                entry = _entry(file)
                if entry is not None:
                    yield entry
                else:
                    log.warning("%s is no stored file, left alone", directory / file.name)


def _entry(file: os.DirEntry[str]) -> Entry | None:
    digest, _, times = file.name.partition(".")
    stored, _, expires = times.partition(".")
    if not (len(digest) == 32 and stored.isdigit() and expires.isdigit()):
        return None
    if not file.is_file(follow_symlinks=False):
        return None
    status = file.stat(follow_symlinks=False)
    end = float(expires) if int(expires) else math.inf
    entry = Entry(digest, status.st_size, int(stored) / 1000, end, touched_at=status.st_mtime)
    entry.name = file.name
    return entry


def _head(key: str, chunks: Iterable[bytes], meta: Meta) -> bytes:
    checksum = 0
    for chunk in chunks:
        checksum = zlib.crc32(chunk, checksum)
    fields = asdict(meta) | {"key": key, "crc32": checksum}
    del fields["offset"]
    text = json.dumps(fields).encode()
    return MAGIC + len(text).to_bytes(4, "big") + text


def _verify(file: IO[bytes], key: str) -> Meta:
    """Read a whole file; raises ValueError if it is not what was stored under this key."""
    start = file.read(MAX_HEAD_BYTES)
    offset = len(MAGIC) + 4
    offset += int.from_bytes(start[len(MAGIC) : offset], "big")
    if not start.startswith(MAGIC) or offset > len(start):
        raise ValueError("it has no head")
    fields = json.loads(start[len(MAGIC) + 4 : offset])
    if not isinstance(fields, dict) or fields.pop("key", None) != key:
        raise ValueError("it is another file")
    wanted = fields.pop("crc32", None)
    try:
        meta = Meta(offset=offset, **fields)
    except TypeError:
        raise ValueError("its head has other fields") from None
    body = start[offset:]
    length, checksum = len(body), zlib.crc32(body)
    while data := file.read(READ_BYTES):
        length, checksum = length + len(data), zlib.crc32(data, checksum)
    if (length, checksum) != (meta.length, wanted):
        raise ValueError("length or checksum differ")
    return meta


def _write(temporary: Path, target: Path, chunks: Iterable[bytes]) -> None:
    try:
        with os.fdopen(opening.make(temporary), "wb") as file:
            file.writelines(chunks)
        opening.make_folder(target.parent)
        opening.move(temporary, target)
    except BaseException:
        opening.remove(temporary)
        raise


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        try:
            opening.remove(file)
        except OSError as error:
            log.warning("%s cannot be removed: %s", file, error.strerror)
