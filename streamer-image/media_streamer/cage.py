"""What a media worker may no longer do, whatever a source makes FFmpeg do: write files outside its
own folders, start programs, listen on TCP, signal other processes, gain privileges.

By Landlock where the kernel has it (5.13; listening 6.7, signals 6.12), by no_new_privs
(prctl(2)) and by a list of system calls that are refused (`system_calls.py`); egress workers have
the latter two. Reading files is not confined: the folders of VOD locations come and go with the
configuration, and a cage cannot be widened.

It must be entered before the first thread starts: threads inherit it, they do not share it.
Numbers and structures: landlock(7), linux/landlock.h.
"""

import ctypes
import os
import resource
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from media_streamer import system_calls

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
_DEVICES = _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
"""Cards that encode; nothing is made there."""

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Of Landlock; 0 where the kernel has none, or it is switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def give_up_rights() -> str:
    """No privileges and no dangerous system calls from now on; returns what holds, for the log.

    Raises OSError.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold what viewers sent
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    return f"no new privileges, {system_calls.refuse()}"


def enter(writable: Iterable[Path]) -> str:
    """Confine this process for good; returns what holds, for the log. Raises OSError."""
    given_up = give_up_rights()
    known = version()
    if not known:
        return f"{given_up}; no Landlock in this kernel, so files are not confined"
    rights = _FIRST
    for since, right in _ADDED.items():
        rights |= right if known >= since else 0
    fields = [rights]
    if known >= 4:
        fields.append(_BIND_TCP)
    if known >= 6:
        fields.append(_SCOPE_SIGNAL)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _check(
        _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    )
    try:
        _allow(ruleset, Path("/"), (_READ_FILE | _READ_DIR) & rights)
        _allow(ruleset, Path("/dev"), _DEVICES & rights)
        for path in writable:
            _allow(ruleset, path, _OWN & rights)
        _check(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return f"{given_up}, Landlock {known}"


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with _opened(path) as descriptor:
        rule = struct.pack("=Qi", rights, descriptor)
        _check(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
