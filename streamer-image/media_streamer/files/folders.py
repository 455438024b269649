"""Folders of a storage for its owner: what lies there, files that come and go. Blocks on the disk.

Invariants: nothing outside of the directory is read, written or deleted, links resolved; a file
that is put there appears whole or not at all; what begins with a dot is not shown.
"""

import contextlib
import os
import secrets
import stat
import time
from pathlib import Path
from typing import NamedTuple

from media_streamer.files.names import check_path
from media_streamer.files.sets import files_of_set

MAX_LISTED = 20_000
UPLOAD_PREFIX = ".upload-"
ABANDONED_SECONDS = 86_400.0
"""An upload that nobody has written to for so long was cut off."""
FREE_BYTES = 256 * 1024 * 1024
"""What an upload leaves of a disk."""


class Refused(Exception):  # noqa: N818 - what the client is told
    """It is not done; `status` as in HTTP."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status


class Item(NamedTuple):
    """A file or a folder."""

    path: str
    """Within the storage."""
    is_folder: bool
    size: int
    is_set: bool = False
    """A folder whose files may be played as one (`files.sets`)."""


def list_folder(root: Path, folder: str) -> list[Item]:
    """What lies in a folder, by name; empty: in the storage itself. Raises Refused, BadName."""
    path = _below(root, folder) if folder else _real(root)
    if not path.is_dir():
        raise Refused(404, "there is no such folder")
    found = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            with contextlib.suppress(OSError, UnicodeError):
                entry.name.encode()
                details = entry.stat()
                is_folder = stat.S_ISDIR(details.st_mode)
                if is_folder or stat.S_ISREG(details.st_mode):
                    size = 0 if is_folder else details.st_size
                    is_set = is_folder and bool(files_of_set(entry.path))
                    name = f"{folder}/{entry.name}".lstrip("/")
                    found.append(Item(name, is_folder, size, is_set))
            if len(found) > MAX_LISTED:
                raise Refused(400, f"the folder has more than {MAX_LISTED} files")
    return sorted(found)


def find_item(root: Path, path: str) -> Item:
    """One file or folder; raises Refused, BadName."""
    real = _below(root, path)
    if not real.is_file() and not real.is_dir():
        raise Refused(404, "there is no such file")
    if real.is_dir():
        return Item(path, True, 0, bool(files_of_set(os.path.join(root, path))))
    return Item(path, False, real.stat().st_size)


def delete_item(root: Path, path: str) -> None:
    """Delete a file, or a folder that is empty; raises Refused, BadName."""
    real = _below(root, path)
    if real != _real(root) / path:
        raise Refused(409, "that is a link, or lies behind one")
    try:
        if real.is_dir():
            real.rmdir()
        elif real.is_file():
            real.unlink()
        else:
            raise Refused(404, "there is no such file")
    except OSError as error:
        if real.is_dir():
            raise Refused(409, "the folder is not empty") from None
        raise Refused(503, f"it cannot be deleted: {error.strerror}") from None


class Upload:
    """A file on its way; `commit` or `abort` ends it."""

    def __init__(self, root: Path, path: str, size: int | None) -> None:
        """`size`: what it will have, if that is known. Raises Refused, BadName, OSError."""
        check_path(path)
        real_root = _real(root)
        self._target = real_root / path
        folder = self._target.parent
        nearest = folder
        while not nearest.exists():
            nearest = nearest.parent
        if not _is_in(nearest.resolve(), real_root):
            raise Refused(409, "the folder is a link out of the storage")
        if self._target.is_dir():
            raise Refused(409, "there is a folder of that name")
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        self._folder = folder
        self._check_room(size or 0)
        self._path = folder / f"{UPLOAD_PREFIX}{secrets.token_hex(8)}"
        self._descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644
        )
        self.size = 0

    def write(self, data: bytes) -> None:
        """Raises Refused, OSError."""
        self._check_room(len(data))
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.size += len(data)

    def commit(self) -> None:
        """It is whole: from now on it is the file of its name. Raises OSError."""
        os.fsync(self._descriptor)
        os.replace(self._path, self._target)
        self._close()

    def abort(self) -> None:
        """Nothing remains of it."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._close()

    def _check_room(self, size: int) -> None:
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < size + FREE_BYTES:
            raise Refused(507, "the disk has no room for it")

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _real(root: Path) -> Path:
    try:
        return root.resolve(strict=True)
    except OSError:
        raise Refused(503, "the directory of the storage is not there") from None


def _below(root: Path, path: str) -> Path:
    """The real place of a path; raises Refused, BadName."""
    check_path(path)
    real_root = _real(root)
    try:
        found = (real_root / path).resolve(strict=True)
    except OSError:
        raise Refused(404, "there is no such file") from None
    if not _is_in(found, real_root):
        raise Refused(404, "there is no such file")
    return found


def _is_in(path: Path, root: Path) -> bool:
    return path.is_relative_to(root)


def _sweep(folder: Path) -> None:
    """Uploads that were cut off with their server."""
    for old in folder.glob(f"{UPLOAD_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
                old.unlink()
