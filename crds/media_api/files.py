"""Writing of settings files: a reader sees the old or the new one, never half."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_file(path: Path, text: str, *, new_mode: int) -> None:
    """Replace `path` by `text` (UTF-8) at once, with the permissions that it has.

    `new_mode`: permissions of a file that is not there yet. Raises OSError.
    """
    target = path.resolve()  # a link, as Kubernetes mounts files, stays a link
    mode = target.stat().st_mode & 0o7777 if target.exists() else new_mode
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
