"""Where the processes of a server find each other: below the runtime directory.

Invariant: a worker makes files and sockets in its home alone. What the supervisor listens on and
leaves word in lies beside the homes, where a worker that was taken over can put nothing in its
place (`cage.py`): neither what its successor may read, nor who calls itself the supervisor.
"""

import os
import shutil
import tempfile
from pathlib import Path

from media_streamer.wire.control import WorkerKind

MAX_PATH_BYTES = len("/egress-99/rtsp-65535.sock")
"""The longest that lies there."""
_SOCKET = "worker.sock"


def home_of(runtime: Path, kind: WorkerKind, worker: str) -> Path:
    """The folder of a worker, which may not be there yet."""
    return runtime / f"{kind}-{worker}"


def make_home(runtime: Path, kind: WorkerKind, worker: str) -> Path:
    """The same, made if need be; raises OSError."""
    home = home_of(runtime, kind, worker)
    home.mkdir(mode=0o700, exist_ok=True)
    home.chmod(0o700)  # whoever was there may have closed it
    return home


def empty(home: Path, *, but: str) -> None:
    """Take away what an earlier worker left there, except for one name. Raises OSError."""
    with os.scandir(home) as entries:
        names = [entry.name for entry in entries if entry.name != but]
    for name in names:
        remove(home / name)


def remove(path: Path) -> None:
    """Take away whatever a worker has put in its home by that name; links are not followed.

    A folder that cannot be removed (closed, or of endless depth) is put beside the homes: whoever
    begins there next is not to be kept from it. Raises OSError.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):
        path.chmod(0o700)  # its `..` changes
        os.replace(path, tempfile.mkdtemp(prefix="left-", dir=path.parent.parent))


def socket_of(runtime: Path, kind: WorkerKind, worker: str) -> Path:
    """Where a worker is spoken to by others."""
    return home_of(runtime, kind, worker) / _SOCKET


def transcoders_socket(runtime: Path, worker: str) -> Path:
    """Where the transcoders of a media worker come to."""
    return home_of(runtime, "media", worker) / "transcoders.sock"


def sockets_of_others(runtime: Path, kind: WorkerKind, worker: str = "") -> list[Path]:
    """Those of all workers of a kind, but this one. Blocks."""
    own = socket_of(runtime, kind, worker)
    return sorted(path for path in runtime.glob(f"{kind}-*/{_SOCKET}") if path != own)
