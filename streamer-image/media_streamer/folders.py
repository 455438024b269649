"""The folders that workers may use: told before they begin, opened within a bound.

A worker confines itself when it starts and cannot widen that later, so the supervisor leaves word
in the runtime directory, for each kind of worker; a folder that is new to a media worker needs
another one, an egress worker asks for what is in it (`opening.py`).

Invariant: a disk that does not answer keeps no worker from starting. Folders are opened by a child,
which is left behind where it hangs; what it opened goes to the parent one by one.
"""

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from media_api.files import write_file

log = logging.getLogger(__name__)

FILE = "folders.json"
OPEN_SECONDS = 2.0
"""For one folder; a hanging NFS server takes longer, a disk that wakes up too, now and then."""


class Folders(msgspec.Struct, frozen=True):
    """Absolute paths, of what is read also those of files. What is written is read, too."""

    written: list[Path] = []
    read: list[Path] = []


class Opened(msgspec.Struct, frozen=True):
    """`O_PATH` descriptors of those that are there; whoever has them closes them."""

    written: dict[Path, int]
    read: dict[Path, int]
    missing: dict[Path, str]
    """Of those that are read: why they are not there; no worker that begins now has them."""

    def close(self) -> None:
        """Close them all."""
        for descriptor in (*self.written.values(), *self.read.values()):
            os.close(descriptor)

    @property
    def folders(self) -> Folders:
        """What this worker was let use, as far as any could be."""
        return Folders(list(self.written), [*self.read, *self.missing])


def tell(runtime: Path, folders: Mapping[str, Folders]) -> None:
    """Workers of a kind that start from now on may use these; raises OSError."""
    told = {
        kind: {"written": sorted(map(str, of.written)), "read": sorted(map(str, of.read))}
        for kind, of in folders.items()
    }
    text = msgspec.json.encode(told).decode()
    write_file(runtime / FILE, text + "\n", new_mode=0o600)


def told(runtime: Path, kind: str) -> Folders:
    """What workers of a kind were told last; nothing where the file cannot be read."""
    path = runtime / FILE
    try:
        whole = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, list[str]]])
        found = whole.get(kind, {})
        return Folders(*(list(map(Path, found.get(key, ()))) for key in ("written", "read")))
    except FileNotFoundError:
        return Folders()
    except (OSError, ValueError, RecursionError) as error:
        log.error("folders: %s cannot be used: %s", path, error)
        return Folders()


def opened(folders: Folders, seconds: float = OPEN_SECONDS) -> Opened:
    """Open them, those that are written are made; what cannot be is said in the log.

    To be called before the first thread starts, for it forks.
    """
    wanted = [(path, True) for path in folders.written]
    wanted += [(path, False) for path in folders.read]
    found = Opened({}, {}, {})
    for path, written, answer in _answers(wanted, seconds):
        if isinstance(answer, int):
            (found.written if written else found.read)[path] = answer
        elif written:
            log.error("folder %s: nothing can be written there: %s", path, answer)
        else:
            found.missing[path] = answer
    return found


def _answers(
    wanted: list[tuple[Path, bool]], seconds: float
) -> Iterator[tuple[Path, bool, int | str]]:
    """A descriptor for each, or why there is none."""
    done = 0
    while done < len(wanted):
        child, ours = _begin(wanted[done:])
        try:
            for path, written in wanted[done:]:
                answer = _next(ours, seconds)
                done += 1
                yield path, written, answer or f"it does not answer within {seconds:g} s"
                if answer is None:
                    break
        finally:
            ours.close()
            _end(child)


def _begin(wanted: list[tuple[Path, bool]]) -> tuple[int, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child:
        theirs.close()
        return child, ours
    try:
        for path, written in wanted:
            _open(theirs, path, written)
    finally:
        os._exit(0)


def _open(answers: socket.socket, path: Path, written: bool) -> None:
    """In the child."""
    try:
        if written:
            path.mkdir(parents=True, exist_ok=True)
        # The slash has what is mounted at first use mounted.
        folder = f"{path}/" if written or path.is_dir() else path
        descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        answers.send((getattr(error, "strerror", None) or str(error)).encode()[:1000])
        return
    socket.send_fds(answers, [b"\0"], [descriptor])
    os.close(descriptor)


def _next(answers: socket.socket, seconds: float) -> int | str | None:
    """What the child says next: a descriptor, a reason, or nothing in time."""
    readable, _, _ = select.select([answers], [], [], seconds)
    if not readable:
        return None
    text, descriptors, _, _ = socket.recv_fds(answers, 1024, 1)
    if descriptors:
        os.set_inheritable(descriptors[0], False)
        return descriptors[0]
    return text.decode("utf-8", "replace") or "who looked for it has died"


def _end(child: int) -> None:
    """It has ended, or hangs in the kernel and is left behind."""
    os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + 0.5
    while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.001)
