"""Opens for egress workers what was configured after they confined themselves (`opening.py`).

Role: a socket in the runtime directory. What is asked is a file or a folder to read, in caches also
one to write, the log of requests, and names of hosts. Threads do it, a connection each, so a disk
that hangs holds up who asked for it.

Invariants: only processes that are egress workers now are answered, by what the kernel says of the
peer; what is opened is a regular file or a folder whose real path lies below a folder that is
configured now, judged of the very thing that is handed over; nothing above it is ever made or
changed. A worker has `MAX_WAYS` connections at most.
"""

import asyncio
import contextlib
import errno
import json
import logging
import os
import socket
import stat
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from media_streamer import opening
from media_streamer.folders import Folders
from media_streamer.wire.channel import credentials_of

log = logging.getLogger(__name__)

MAX_WAYS = 64
IDLE_SECONDS = 60.0
QUESTION_BYTES = 16 * 1024
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_LOG_MODE = 0o640


class Opener:
    """`allowed`: what workers may read and write now; `is_worker`: whether a process is one;
    `log_file`: of requests, if it is a file."""

    def __init__(
        self,
        runtime: Path,
        allowed: Callable[[], Folders],
        is_worker: Callable[[int], bool],
        log_file: Path | None = None,
    ) -> None:
        self._path = runtime / opening.SOCKET
        self._judge = Judge(allowed, log_file)
        self._is_worker = is_worker
        self._listening: socket.socket | None = None
        self._ways: dict[socket.socket, int] = {}
        """Process of each."""

    def start(self) -> None:
        """Answer from now on; raises OSError."""
        self._path.unlink(missing_ok=True)
        listening = self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(str(self._path))
        self._path.chmod(0o600)
        listening.listen(MAX_WAYS)
        listening.setblocking(False)
        asyncio.get_running_loop().add_reader(listening, self._accept)

    def close(self) -> None:
        """Answer nobody any more."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._path.unlink(missing_ok=True)
        for way in list(self._ways):
            with contextlib.suppress(OSError):
                way.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            way, _ = self._listening.accept()
        except OSError as error:
            log.error("opening for egress workers: %s", error)
            return
        pid = credentials_of(way).pid
        if not self._is_worker(pid):
            log.warning("process %d asks for files and is no egress worker: not answered", pid)
            way.close()
            return
        if sum(1 for one in self._ways.values() if one == pid) >= MAX_WAYS:
            log.error("egress worker with pid %d: %d threads wait for files already", pid, MAX_WAYS)
            way.close()
            return
        self._ways[way] = pid
        way.settimeout(IDLE_SECONDS)
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=self._serve, args=(way, loop), name="opens for workers", daemon=True
        ).start()

    def _serve(self, way: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread, until the worker says no more."""
        try:
            while question := way.recv(QUESTION_BYTES):
                self._answer(way, question)
        except OSError:
            pass  # it was idle, or has gone
        finally:
            way.close()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._ways.pop, way, None)

    def _answer(self, way: socket.socket, question: bytes) -> None:
        words = list(map(os.fsdecode, question.split(b"\0")))
        if words[0] == "names":
            way.sendall(_looked_up(words[1:]))
            return
        try:
            descriptor = self._judge.do(words)
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None) or errno.EACCES
            way.sendall(f"-{number}".encode())
            return
        if descriptor is None:
            way.sendall(b"+")
            return
        try:
            socket.send_fds(way, [b"+"], [descriptor])
        finally:
            os.close(descriptor)


class Judge:
    """Does what is asked where that is allowed; everything here blocks, in threads."""

    def __init__(self, allowed: Callable[[], Folders], log_file: Path | None = None) -> None:
        self._allowed = allowed
        self._log_file = str(log_file) if log_file is not None else None

    def do(self, words: list[str]) -> int | None:
        """The descriptor of what is opened. Raises OSError, also for what is not allowed."""
        match words:
            case ["read", path]:
                return self._read(path)
            case ["append", path] if path == self._log_file:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                return os.open(path, _APPEND, _LOG_MODE)
            case ["make", path]:
                with self._beside(path) as (folder, name):
                    return os.open(name, _NEW, 0o644, dir_fd=folder)
            case ["folder", path]:
                self._make_folder(path)
                return None
            case ["move", path, to]:
                with self._beside(path) as (folder, name), self._beside(to) as (other, new):
                    os.replace(name, new, src_dir_fd=folder, dst_dir_fd=other)
                return None
            case ["remove", path]:
                with self._beside(path) as (folder, name):
                    os.unlink(name, dir_fd=folder)
                return None
        raise _refused(words[-1])

    def _read(self, path: str) -> int:
        folders = self._allowed()
        roots = {str(one) for one in (*folders.read, *folders.written)}
        _named_below(path, roots)
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            mode = os.fstat(found).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise _refused(path)
            _really_below(found, path, roots)
            return os.open(f"/proc/self/fd/{found}", _READ)
        finally:
            os.close(found)

    def _make_folder(self, path: str) -> None:
        if path in map(str, self._allowed().written):
            os.makedirs(path, exist_ok=True)
            return
        with self._beside(path) as (folder, name), contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)

    @contextlib.contextmanager
    def _beside(self, path: str) -> Iterator[tuple[int, str]]:
        """The folder of a file that may be written, as a descriptor, and the file's name in it."""
        roots = {str(one) for one in self._allowed().written}
        parent, name = os.path.split(path)
        _named_below(parent, roots)
        if name in ("", ".", ".."):
            raise _refused(path)
        folder = os.open(parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _really_below(folder, path, roots)
            yield folder, name
        finally:
            os.close(folder)


def _named_below(path: str, roots: Collection[str]) -> None:
    """Before anything is looked at: a disk that nobody named is not asked."""
    parts = path.split("/")
    if not path.startswith("/") or ".." in parts or not any(_is_below(path, one) for one in roots):
        raise _refused(path)


def _really_below(descriptor: int, path: str, roots: Collection[str]) -> None:
    """Of what is open, for its name may have led elsewhere. The root that names it comes first."""
    real = os.readlink(f"/proc/self/fd/{descriptor}")
    for root in sorted(roots, key=lambda one: not _is_below(path, one)):
        if _is_below(real, os.path.realpath(root)):
            return
    raise _refused(path)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _refused(path: str) -> PermissionError:
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _looked_up(words: list[str]) -> bytes:
    """What `getaddrinfo` finds, as JSON, or why it finds nothing."""
    try:
        host, port, *how = words
        family, kind, protocol, flags = map(int, how)
        found = socket.getaddrinfo(host, port or None, family, kind, protocol, flags)
    except socket.gaierror as error:
        return json.dumps({"code": error.errno, "text": error.strerror}).encode()
    except (OSError, ValueError) as error:
        return json.dumps({"code": socket.EAI_FAIL, "text": str(error)}).encode()
    return json.dumps(found[: opening.MAX_NAMES]).encode()
