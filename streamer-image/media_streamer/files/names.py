"""Names of files: what they may be, and how one is opened in a directory.

Invariants: what is opened is a regular file below the directory of its storage, links resolved, and
that is checked of the very file that was opened; a name is refused for what it says, whatever lies
on the disk; nothing that begins with a dot is served.
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from media_streamer import opening

MAX_PATH_CHARACTERS = 255
MAX_PART_BYTES = 255


class BadName(ValueError):  # noqa: N818 - what the client is told
    """No file can be called that."""


class NoFile(LookupError):  # noqa: N818 - what the client is told
    """There is no such file in the location."""


class Identity(NamedTuple):
    """Another content has another one, as far as a file system tells."""

    device: int
    inode: int
    size: int
    changed_ns: int


class OpenFile(NamedTuple):
    """An open file; whoever has it closes it."""

    descriptor: int
    path: str
    identity: Identity


def check_path(path: str) -> str:
    """`path` within a location; raises BadName, which says what is wrong with it."""
    if not path or len(path) > MAX_PATH_CHARACTERS:
        raise BadName(f"a path has 1 to {MAX_PATH_CHARACTERS} characters")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise BadName("a path has no control characters")
    if "\\" in path:
        raise BadName("parts of a path are separated by slashes, not by backslashes")
    for part in path.split("/"):
        if part in {"", ".", ".."}:
            raise BadName("a path has no empty parts, no `.` and no `..`")
        if part.startswith("."):
            raise BadName("hidden files are not served")
        try:
            size = len(part.encode())
        except UnicodeEncodeError:
            raise BadName("a path is UTF-8") from None
        if size > MAX_PART_BYTES:
            raise BadName(f"a part of a path has at most {MAX_PART_BYTES} bytes")
    return path


def local_root(url: str) -> Path | None:
    """The directory of a storage; None if it is remote."""
    if url.startswith("file://"):
        url = url.removeprefix("file://")
    return Path(url) if url.startswith("/") else None


def open_below(root: str, path: str) -> OpenFile | None:
    """Open a file of a directory; None if it is not there, lies elsewhere or is no regular file.

    `path` has been checked. Raises OSError.
    """
    try:
        # Not blocking: a pipe that nobody writes would hold the thread.
        descriptor = opening.read(os.path.join(root, path), os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError):
        return None
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and _is_below(descriptor, root):
            identity = Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            opened = OpenFile(descriptor, os.path.join(root, path), identity)
            descriptor = -1
            return opened
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_below(descriptor: int, root: str) -> bool:
    """Whether the open file itself lies below the directory: its name may lead elsewhere."""
    real = os.readlink(f"/proc/self/fd/{descriptor}")
    return real.startswith(os.path.realpath(root).rstrip("/") + "/")
