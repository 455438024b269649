"""One server a folder: the lock that holds the root of archives. Blocks on the disk."""

import fcntl
import os
from pathlib import Path

from media_streamer.archive.places import OWNER_FILE


class NotOurs(OSError):  # noqa: N818 - what people are told
    """Nothing may be recorded there; the message says why."""


def claim(root: Path, words: str, must_be_mounted: bool = False) -> int:
    """Lock a folder for this process; returns the descriptor that holds it. Blocks.

    Raises NotOurs, and other OSErrors.
    """
    if must_be_mounted and not os.path.ismount(root):
        raise NotOurs("no disk is mounted there (check_mount)")
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / OWNER_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise NotOurs(
            f"another server records there: {owner or 'unknown'}; give each its own folder"
        ) from None
    except OSError:
        os.close(descriptor)
        raise
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, words.encode(), 0)
    return descriptor


def mount_of(root: Path) -> Path | None:
    """Where the disk of a folder is mounted; None: it is the disk of the system. Blocks.

    Symbolic links are followed: a link is no mount, and what it leads to may be one.
    """
    root = root.resolve()
    found = next(one for one in (root, *root.parents) if os.path.ismount(one))
    return found if found != found.parent else None


def is_other(root: Path, owner: int, mount: Path | None) -> bool:
    """Whether what lies there now is not what `owner` (of `claim`) holds, and may be claimed: a
    disk that came back or took the place of another one, or a folder that was emptied. Blocks.

    `mount`: where the disk was mounted then; while none is mounted there, nothing may be claimed:
    what is below would be filled in its place. Nor where what lies there now is on the disk that
    the mount stands on, wherever a link leads meanwhile.
    """
    try:
        there = os.stat(root / OWNER_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return mount is None or (os.path.ismount(mount) and not _is_below(root, mount))
    held = os.fstat(owner)
    return (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino)


def _is_below(root: Path, mount: Path) -> bool:
    """Whether a folder, there or not, would lie on the disk that a mount stands on."""
    while not root.exists():
        root = root.parent
    return root.stat().st_dev == mount.parent.stat().st_dev
