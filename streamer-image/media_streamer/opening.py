"""Files that the cage of this process does not know: the supervisor opens them for it.

Role: a cage is never widened (`cage.py`), and an egress worker cannot begin anew without cutting
its viewers. What became configured after it began, or was mounted later, it asks of the supervisor
(`supervisor/opener.py`), which judges by the configuration of now and hands over a descriptor. So
are names of hosts looked up once the files that say how (`/etc/resolv.conf`) are others.

Invariants: what the kernel lets through costs nothing more; where nobody opens for this process, or
nothing comes in time, it is refused as the kernel refused it.
"""

import contextlib
import errno
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from media_streamer import system_files

log = logging.getLogger(__name__)

SOCKET = "open.sock"
ANSWER_SECONDS = 10.0
ABSENT_SECONDS = 5.0
"""A supervisor that was killed is there again sooner; the loop of events does not wait for it."""
ANSWER_BYTES = 64 * 1024
MAX_NAMES = 64
Name = str | os.PathLike[str]

_door: list[Path] = []
"""The socket of who opens for this process; empty: nobody does."""
_own = threading.local()
"""A connection for each thread that needed one."""


def ask_in(runtime: Path) -> None:
    """From now on the supervisor of this runtime directory is asked."""
    _door[:] = [runtime / SOCKET]


def read(path: Name, flags: int = 0) -> int:
    """A descriptor to read a file, or a folder. Blocks; raises OSError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    except PermissionError as refused:
        return _opened(refused, "read", path)


def read_file(path: Name) -> FileIO:
    """The same as a file, which knows its name."""
    return FileIO(path, opener=lambda name, _: read(name))


def read_bytes(path: Name) -> bytes:
    """All of a file. Blocks; raises OSError."""
    with read_file(path) as file:
        return file.readall()


@contextlib.contextmanager
def listed(folder: Name) -> Iterator[Iterator[os.DirEntry[str]]]:
    """What is in a folder; its entries know their names, not where they lie. Raises OSError."""
    with contextlib.ExitStack() as stack:
        try:
            entries = os.scandir(folder)
        except PermissionError as refused:
            descriptor = _opened(refused, "read", folder)
            stack.callback(os.close, descriptor)
            entries = os.scandir(descriptor)
        yield stack.enter_context(entries)


def append(path: Name, mode: int) -> int:
    """A descriptor to write behind what is in a file, which is made with its folders."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
    except PermissionError as refused:
        return _opened(refused, "append", path)


def make(path: Name) -> int:
    """A descriptor to write a file that is empty then."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except PermissionError as refused:
        return _opened(refused, "make", path)


def make_folder(path: Name) -> None:
    """With those above it; one that is there is fine."""
    try:
        os.makedirs(path, exist_ok=True)
    except PermissionError as refused:
        _ask(refused, "folder", path)


def move(path: Name, to: Name) -> None:
    """Give a file another place, whatever is there."""
    try:
        os.replace(path, to)
    except OSError as refused:  # between folders, Landlock 1 says that they are of two disks
        if refused.errno not in (errno.EACCES, errno.EXDEV):
            raise
        _ask(refused, "move", path, to)


def remove(path: Name) -> None:
    """Unlink a file, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        try:
            os.unlink(path)
        except PermissionError as refused:
            _ask(refused, "remove", path)


def ask_for_names() -> None:
    """Have hosts looked up by the supervisor once the files that say how cannot be read any more.

    For every library of this process that asks Python, from now on.
    """
    began, usual = system_files.identities(), socket.getaddrinfo
    told: list[str] = []

    def look_up(host: Any, port: Any, *how: int, **named: int) -> list[tuple[Any, ...]]:
        now = system_files.identities()
        if now == began or not _door or not isinstance(host, (str, bytes)):
            return usual(host, port, *how, **named)
        if not told:
            told.extend(name for name in now if now[name] != began[name])
            log.warning(
                "%s: another file, which this process cannot read: names are asked of the"
                " supervisor; buckets need the server to be started again",
                ", ".join(told),
            )
        return _looked_up(host, port, *how, **named)

    setattr(socket, "getaddrinfo", look_up)  # noqa: B010 - so is the type checker content


def _looked_up(
    host: str | bytes, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
) -> list[tuple[Any, ...]]:
    name = host.decode() if isinstance(host, bytes) else host
    absent = socket.gaierror(socket.EAI_AGAIN, "nobody is there to look the name up")
    words = [name, "" if port is None else str(port), *map(str, (family, type, proto, flags))]
    try:
        text, _ = _ask(PermissionError(errno.EACCES, ""), "names", *words)
        found = json.loads(text)
    except (OSError, ValueError):
        raise absent from None
    if not isinstance(found, list):
        raise socket.gaierror(found["code"], found["text"])
    return [
        (socket.AddressFamily(one[0]), socket.SocketKind(one[1]), one[2], one[3], tuple(one[4]))
        for one in found
    ]


def _opened(refused: OSError, *words: Name) -> int:
    _, descriptors = _ask(refused, *words)
    if not descriptors:
        raise refused
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]


def _ask(refused: OSError, *words: Name) -> tuple[bytes, list[int]]:
    """What the supervisor answers. Raises what it met, or `refused` if nobody answers."""
    if not _door:
        raise refused
    question = b"\0".join(map(os.fsencode, words))
    text, descriptors = b"", list[int]()
    for _ in range(2):  # a connection that was not used for long is closed, or of a dead supervisor
        known = getattr(_own, "way", None) is not None
        try:
            way = _way()
            way.sendall(question)
            text, descriptors, _, _ = socket.recv_fds(way, ANSWER_BYTES, 1)
        except OSError:
            text = b""
        if text:
            break
        _forget()
        if not known:
            break
    if not text:
        raise refused
    if text.startswith(b"-"):
        number = int(text[1:])
        raise OSError(number, os.strerror(number), os.fspath(words[1]))
    return text, descriptors


class _Way(socket.socket):
    """Closed with its thread."""

    def __del__(self) -> None:
        self.close()


def _way() -> socket.socket:
    way = getattr(_own, "way", None)
    if isinstance(way, _Way):
        return way
    until = time.monotonic() + ABSENT_SECONDS
    if threading.current_thread() is threading.main_thread():
        until = 0.0
    while True:
        new = _Way(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        new.settimeout(ANSWER_SECONDS)
        try:
            new.connect(str(_door[0]))
        except OSError:
            new.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
            continue
        _own.way = new
        return new


def _forget() -> None:
    _own.way = None
