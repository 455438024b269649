"""What the machine and the environment say: directories, numbers of workers, names.

Role: read once at the start; nothing here changes by a reload. The keeper reads them: what this
imports is in a process that does nothing.
Invariant: every path of a Unix socket stays below 107 bytes (`sun_path`, unix(7)).
"""

import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from media_streamer.outgoing.addresses import VARIABLE as REACH_VARIABLE
from media_streamer.outgoing.addresses import Reach
from media_streamer.wire import homes
from media_streamer.worker_counts import EGRESS_WORKERS, default_workers

DEFAULT_CONFIG_PATH = Path("/etc/flussonic/flussonic.conf")
MAX_RUNTIME_PATH_BYTES = 107 - homes.MAX_PATH_BYTES - 1
MIN_SHARED_MEMORY_BYTES = 512 * 1024 * 1024
"""Below this /dev/shm (64 MiB in a plain container) fills up with the segments of few streams."""
RUNTIME_WAIT_SECONDS = 10.0
RUNTIME_POLL_SECONDS = 0.1
QUARANTINE_ID = "q"
SHARED_MEMORY = Path("/dev/shm")
SEGMENTS_PREFIX = "streamer-segments-"


class SettingsError(ValueError):
    """The environment is wrong; the message says which variable and what to write."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the processes of this streamer meet, and how many there are."""

    config_path: Path
    runtime: Path
    segments: Path
    state: Path
    """Directory of what must survive a restart."""
    egress_workers: int
    media_workers: int
    hostname: str
    admin_view_disabled: bool = False
    reach: Reach = field(default_factory=Reach)
    """What sinks and backends may be connected to."""
    backend_token: Path | None = None
    """File with what the configuration backend is shown, where its URL says nothing."""

    @property
    def control_socket(self) -> Path:
        return self.runtime / "control.sock"

    @property
    def api_socket(self) -> Path:
        return self.runtime / "api.sock"

    def media_socket(self, worker: str) -> Path:
        return homes.socket_of(self.runtime, "media", worker)


def read_settings(config_path: Path, environ: Mapping[str, str]) -> Settings:
    """Settings from the environment; makes the directories. Raises SettingsError."""
    try:
        reach = Reach.of(environ)
    except ValueError as error:
        raise SettingsError(f"{REACH_VARIABLE}: {error}: write 169.254.20.0/24") from None
    egress_workers = _count(environ, EGRESS_WORKERS, default_workers())
    media_workers = _count(environ, "STREAMER_MEDIA_WORKERS", default_workers())
    runtime = _runtime(environ)
    token = environ.get("STREAMER_CONFIG_EXTERNAL_TOKEN_FILE")
    state = _state(environ, config_path, runtime)
    if state != runtime:
        _claim(state)
    return Settings(
        config_path=config_path,
        runtime=runtime,
        # Last, so that a wrong variable leaves nothing behind in shared memory.
        segments=_segments(environ, runtime),
        state=state,
        egress_workers=egress_workers,
        media_workers=media_workers,
        hostname=variable(environ, "HOSTNAME") or socket.gethostname(),
        admin_view_disabled=bool(variable(environ, "ADMIN_VIEW_DISABLED")),
        reach=reach,
        backend_token=Path(token) if token else None,
    )


def variable(environ: Mapping[str, str], name: str) -> str:
    """`STREAMER_NAME`, or its older twin `FLUSSONIC_NAME`; empty if neither is set."""
    return environ.get(f"STREAMER_{name}") or environ.get(f"FLUSSONIC_{name}") or ""


def remove_directories(settings: Settings, environ: Mapping[str, str]) -> None:
    """Remove what `read_settings` made for this run; directories the user named stay."""
    shutil.rmtree(settings.segments, ignore_errors=True)
    if not environ.get("STREAMER_RUNTIME_DIR"):
        shutil.rmtree(settings.runtime, ignore_errors=True)


def _runtime(environ: Mapping[str, str]) -> Path:
    given = environ.get("STREAMER_RUNTIME_DIR")
    path = Path(given).absolute() if given else Path(tempfile.mkdtemp(prefix="streamer-"))
    if len(os.fsencode(path)) > MAX_RUNTIME_PATH_BYTES:
        raise SettingsError(
            f"STREAMER_RUNTIME_DIR is longer than {MAX_RUNTIME_PATH_BYTES} bytes, too long for"
            " Unix sockets: name a shorter directory"
        )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    deadline = time.monotonic() + RUNTIME_WAIT_SECONDS  # another one may be about to end
    while not _lock(path):
        if time.monotonic() > deadline:
            raise SettingsError(
                f"{path} is used by another streamer, whose workers would be taken over: name"
                " another STREAMER_RUNTIME_DIR"
            )
        time.sleep(RUNTIME_POLL_SECONDS)
    return path


def _segments(environ: Mapping[str, str], runtime: Path) -> Path:
    """A directory of this run alone; what runs that were killed left beside it is removed."""
    if given := environ.get("STREAMER_SEGMENTS_DIR"):
        base = Path(given).absolute()
    elif _free_bytes(SHARED_MEMORY) >= MIN_SHARED_MEMORY_BYTES:
        base = SHARED_MEMORY
    else:
        base = runtime
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in base.glob(f"{SEGMENTS_PREFIX}*"):
        if old.is_dir() and not old.is_symlink() and _lock(old):
            shutil.rmtree(old, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=SEGMENTS_PREFIX, dir=base))
    if not _lock(path):
        raise SettingsError(f"{path} cannot be locked: name another STREAMER_SEGMENTS_DIR")
    return path


def _lock(directory: Path) -> bool:
    """Lock a directory for the life of this process; False if another process has it.

    A process id would not do: containers that share a file system do not share process ids.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    return True  # the descriptor stays open: it is the lock


def _state(environ: Mapping[str, str], config_path: Path, runtime: Path) -> Path:
    """`STREAMER_STATE_DIR`, else `state` beside the configuration; runtime if that is read-only.

    It is closed to others, as the state holds secrets of streams.
    """
    if given := environ.get("STREAMER_STATE_DIR"):
        path = Path(given).absolute()
        if not _can_be_written(path):
            raise SettingsError(f"STREAMER_STATE_DIR {given!r} cannot be written: name another")
        return path
    beside = config_path.absolute().parent / "state"
    return beside if _can_be_written(beside) else runtime


_claimed: dict[Path, int] = {}
"""Open directories, whose locks last as long as this process."""


def _claim(state: Path) -> None:
    """Make it, and let no other server use it: two would lose what the other one wrote.

    Raises SettingsError. A file system without locks cannot tell, and is used as it is.
    """
    if state in _claimed:
        return
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SettingsError(f"{state} cannot be used ({error.strerror}): name another") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SettingsError(
            f"another streamer uses {state}: stop it, or set another STREAMER_STATE_DIR"
        ) from None
    except OSError:
        os.close(descriptor)
        return
    _claimed[state] = descriptor


def _can_be_written(path: Path) -> bool:
    """True if `path` is a writable directory or can be made."""
    existing = next(one for one in (path, *path.parents) if one.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _free_bytes(path: Path) -> int:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise SettingsError(f"{name} must be a number from 1 to 64, not {text!r}")
    return int(text)
