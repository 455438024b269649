"""What a worker may no longer do, whatever a source makes FFmpeg do: read or write files that are
not its own, start programs, listen on TCP, signal other processes, gain privileges.

By Landlock where the kernel has it (5.13; listening 6.7, signals 6.12), by no_new_privs
(prctl(2)), by capabilities that are dropped where root runs it (capabilities(7)), and by a list of
system calls that are refused (`system_calls.py`). Egress workers listen, so that stays open to
them; what is configured after they began is opened for them (`opening.py`).

Beside its own files a caged process reads what every one needs of the system (`system_files.py`),
and of /proc what tells of itself: the environment, the memory and the command lines of others are
not.

It must be entered before the first thread starts: threads inherit it, they do not share it.
Numbers and structures: landlock(7), linux/landlock.h.
"""

import ctypes
import os
import resource
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from media_streamer import system_calls, system_files

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
_MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_BIND_TCP = 1
_SCOPE_SIGNAL = 1 << 1
_FIRST = (1 << 13) - 1
"""Rights of the first version."""
_ADDED = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}
_OWN = (
    _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _REFER | _REMOVE_DIR | _REMOVE_FILE
    | _MAKE_DIR | _MAKE_REG | _MAKE_SOCK
)  # fmt: skip
_READ = _READ_FILE | _READ_DIR
_PLACES = _OWN & ~_READ_FILE
"""Sockets and files are made there; those of others are not read."""
_DEVICES = _READ | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
"""Cards that encode; nothing is made there."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""The rights that a file can have that is no folder."""
_PROC_SELF = Path("/proc/self")
_NO_LANDLOCK = "no Landlock in this kernel (5.13 or later has it, where lsm= does not leave it out)"
_CAPABILITIES_3 = 0x20080522
_KEPT = frozenset((0, 1, 2, 3, 4, 10, 11, 13, 14, 23, 24))
"""Capabilities: files of other users (chown, dac_override, dac_read_search, fowner, fsetid), ports
below 1024, raw sockets and broadcasts, locked memory, priorities and resources."""

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Of Landlock; 0 where the kernel has none, or it is switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def _give_up_rights() -> str:
    held = _drop_capabilities()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold what viewers sent
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    return f"no new privileges{held}, {system_calls.refuse()}"


class Limits(NamedTuple):
    """Where a process may do what, beside what it reads of the system. What is not there is left
    out."""

    written: Iterable[Path | int] = ()
    """Folders of its own, and what is below: paths, or descriptors of them."""
    read: Iterable[Path | int] = ()
    """Folders and files."""
    places: Iterable[Path] = ()
    """Folders in which it makes sockets and files, and lists what there is."""
    listed: Iterable[Path] = ()
    """Folders in which it sees what there is, no more."""


def enter(limits: Limits, *, listens: bool = False) -> str:
    """Confine this process for good; returns what holds, for the log. Raises OSError.

    `listens`: it may open ports by TCP.
    """
    given_up = _give_up_rights()
    known = version()
    if not known:
        return f"{given_up}; {_NO_LANDLOCK}, so files of others can be read and written"
    _keep_own_proc()
    rights = _FIRST
    for since, right in _ADDED.items():
        rights |= right if known >= since else 0
    allowed: list[tuple[Iterable[Path | int], int]] = [
        ([_PROC_SELF, *system_files.needed(os.environ), *limits.read], _READ),
        (system_files.devices(), _DEVICES),
        (limits.places, _PLACES),
        (limits.listed, _READ_DIR),
        (limits.written, _OWN),
    ]
    _restrict(known, rights, 0 if listens else _BIND_TCP, allowed)
    return f"{given_up}, Landlock {known}"


def _restrict(
    known: int, rights: int, ports: int, allowed: Iterable[tuple[Iterable[Path | int], int]]
) -> None:
    """Take rights from this process; what is `allowed`, and below, keeps those that stand there."""
    fields = [rights]
    if known >= 4:
        fields.append(ports)
    if known >= 6:
        fields.append(_SCOPE_SIGNAL)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _check(
        _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    )
    try:
        for paths, right in allowed:
            for path in paths:
                _allow(ruleset, path, right & rights)
        _check(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _drop_capabilities() -> str:
    """Those that reach other processes or the kernel: Landlock does not hold against perfmon.

    Returns what is to be said of it: a service manager may refuse to let any be dropped.
    """
    header = struct.pack("=Ii", _CAPABILITIES_3, 0)
    held = ctypes.create_string_buffer(24)
    try:
        _check(_libc.capget(header, held))
        kept = [sum(1 << bit % 32 for bit in _KEPT if bit // 32 == word) for word in (0, 1)]
        words = struct.unpack("=6I", held.raw)
        now = tuple(word & kept[number // 3] for number, word in enumerate(words))
        if now != words:
            _check(_libc.capset(header, struct.pack("=6I", *now)))
    except OSError as error:
        return f" (capabilities stay: {error.strerror})"
    return ""


def _keep_own_proc() -> None:
    """Rules hold for inodes, and those of /proc/PID are made anew when memory was short: this one
    is kept by a descriptor that is never closed."""
    os.open(_PROC_SELF, os.O_PATH | os.O_CLOEXEC)


def _allow(ruleset: int, path: Path | int, rights: int) -> None:
    if isinstance(path, int):
        _add(ruleset, path, rights)
        return
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it is not there, and nobody misses it
    try:
        _add(ruleset, descriptor, rights)
    finally:
        os.close(descriptor)


def _add(ruleset: int, descriptor: int, rights: int) -> None:
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= _OF_FILES
    rule = struct.pack("=Qi", rights, descriptor)
    _check(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
