"""System calls that a worker never needs, and that who takes it over would like: refused for good.

A list of what is refused, not of what is allowed: drivers of graphics cards and the C library call
what nobody foresees. Refused (EPERM) are other processes' memory, their limits and their turn on a
core, signals to them, also as the owner of a descriptor or of a terminal (O_ASYNC), deadlines of
the scheduler, new processes and programs, namespaces, mounts, kernel modules,
BPF, io_uring, keys, clocks, to type into a terminal, and calls of a foreign ABI. Sockets there are
of the Internet, of this machine and of the kernel's routes, none (EAFNOSUPPORT) of the forty
families that hardly anybody looks at, nor of netlink's other protocols.

Numbers: asm/unistd.h of x86_64 and the generic table of aarch64; the filter: seccomp(2),
linux/filter.h. `clone3` hides its flags behind a pointer, so it does not exist (ENOSYS), and the C
library falls back to `clone`, which may make threads only.
"""

import ctypes
import errno
import os
import platform
import struct

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_SECOND_ARGUMENT, _THIRD_ARGUMENT = 24, 32
# All that are looked at have 32 bits, of which these are the lower ones.
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32_BIT = 0x40000000
_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080
"""Namespaces: CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_CLONE3 = 435

REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "personality": (135, 92),
    "sched_setattr": (314, 274),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
}
"""Name -> its number on x86_64 and on aarch64; None: it is not there."""

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of `REFUSED`, AUDIT_ARCH_… (linux/audit.h)."""
_CLONE, _SOCKET, _SOCKETPAIR = (56, 220), (41, 198), (53, 199)
_IOCTL, _FCNTL = (16, 29), (72, 25)
_OF_ITSELF = ((302, 261), (144, 119), (142, 118), (203, 122))
"""prlimit64, sched_setscheduler, sched_setparam, sched_setaffinity: of the process, or the calling
thread, alone."""
_SIGNALS = ((62, 129), (234, 131))
"""kill, tgkill: to the process itself alone."""
_UNIX, _NETLINK, _ROUTES = 1, 16, 0
"""AF_UNIX; AF_NETLINK, NETLINK_ROUTE: the C library looks for addresses of this machine."""
FAMILIES = (_UNIX, 2, 10)
"""And AF_INET, AF_INET6: with any protocol."""
_DEVICE_REQUESTS = (0x5412, 0x541C, 0x5452, 0x8901, 0x8902)
"""TIOCSTI, TIOCLINUX; FIOASYNC, FIOSETOWN, SIOCSPGRP."""
_OWNER_COMMANDS = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: who gets which signal of a descriptor (O_ASYNC)."""
_SET_FLAGS, _O_ASYNC = 4, 0o20000
"""F_SETFL: a terminal has an owner by itself, the processes in front of it or their session."""

_Check = tuple[int, int, str, str]
"""Code, operand, and where to go on if so and if not; "": at the next one."""


def program(machine: str, pid: int) -> bytes:
    """The filter for a machine as `platform.machine()` names it. Raises LookupError."""
    column, architecture = _MACHINES[machine]
    numbers = [found for both in REFUSED.values() if (found := both[column]) is not None]
    first: list[_Check] = [
        (_LOAD, _ARCHITECTURE, "", ""),
        (_EQUAL, architecture, "", "refuse"),
        (_LOAD, _NUMBER, "", ""),
    ]
    if machine == "x86_64":
        first.append((_AT_LEAST, _X32_BIT, "refuse", ""))
    first += [(_EQUAL, number, "refuse", "") for number in numbers]
    first += [
        (_EQUAL, _CLONE3, "missing", ""),
        (_EQUAL, _CLONE[column], "clone", ""),
        (_EQUAL, _IOCTL[column], "ioctl", ""),
        (_EQUAL, _FCNTL[column], "fcntl", ""),
        *((_EQUAL, both[column], "itself", "") for both in _OF_ITSELF),
        *((_EQUAL, both[column], "signal", "") for both in _SIGNALS),
        (_EQUAL, _SOCKETPAIR[column], "pair", ""),
        (_EQUAL, _SOCKET[column], "socket", "allow"),
    ]
    blocks: dict[str, list[_Check]] = {
        "": first,
        "clone": [
            (_LOAD, _FIRST_ARGUMENT, "", ""),
            (_ANY_BIT, _CLONE_THREAD, "", "refuse"),
            (_ANY_BIT, _CLONE_NEW, "refuse", "allow"),
        ],
        "ioctl": [
            (_LOAD, _SECOND_ARGUMENT, "", ""),
            *((_EQUAL, request, "refuse", "") for request in _DEVICE_REQUESTS[:-1]),
            (_EQUAL, _DEVICE_REQUESTS[-1], "refuse", "allow"),
        ],
        "fcntl": [
            (_LOAD, _SECOND_ARGUMENT, "", ""),
            *((_EQUAL, command, "refuse", "") for command in _OWNER_COMMANDS),
            (_EQUAL, _SET_FLAGS, "", "allow"),
            (_LOAD, _THIRD_ARGUMENT, "", ""),
            (_ANY_BIT, _O_ASYNC, "refuse", "allow"),
        ],
        "itself": [
            (_LOAD, _FIRST_ARGUMENT, "", ""),
            (_EQUAL, 0, "allow", ""),
            (_EQUAL, pid, "allow", "refuse"),
        ],
        "signal": [(_LOAD, _FIRST_ARGUMENT, "", ""), (_EQUAL, pid, "allow", "refuse")],
        "pair": [(_LOAD, _FIRST_ARGUMENT, "", ""), (_EQUAL, _UNIX, "allow", "no family")],
        "socket": [
            (_LOAD, _FIRST_ARGUMENT, "", ""),
            *((_EQUAL, family, "allow", "") for family in FAMILIES),
            (_EQUAL, _NETLINK, "", "no family"),
            (_LOAD, _THIRD_ARGUMENT, "", ""),
            (_EQUAL, _ROUTES, "allow", "no family"),
        ],
    }
    ends = {
        "allow": _ALLOW,
        "refuse": _ERRNO | errno.EPERM,
        "missing": _ERRNO | errno.ENOSYS,
        "no family": _ERRNO | errno.EAFNOSUPPORT,
    }
    places: dict[str, int] = {}
    lines: list[_Check] = []
    for name, block in blocks.items():
        places[name] = len(lines)
        lines += block
    places |= {word: len(lines) + index for index, word in enumerate(ends)}
    packed = [
        struct.pack(
            "=HBBI",
            code,
            places[yes] - at - 1 if yes else 0,
            places[no] - at - 1 if no else 0,
            value,
        )
        for at, (code, value, yes, no) in enumerate(lines)
    ]
    packed += [struct.pack("=HBBI", _RETURN, 0, 0, value) for value in ends.values()]
    return b"".join(packed)


def refuse() -> str:
    """From now on, in this thread and all that it starts; returns what holds, for the log.

    `no_new_privs` must be set. Raises OSError.
    """
    machine = platform.machine()
    try:
        code = program(machine, os.getpid())
    except LookupError:
        return f"system calls are not refused on {machine}"
    libc = ctypes.CDLL(None, use_errno=True)
    held = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))  # struct sock_fprog
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0):
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOSYS):
            return "no seccomp in this kernel"
        raise OSError(number, os.strerror(number))
    return f"{len(REFUSED)} system calls refused"
