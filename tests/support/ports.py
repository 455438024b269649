"""Ports that are this test session's own: no bind-then-close race with whoever else tests here.

A port is handed out once, to one process of this machine: a locked file stands for it as long as
the process lives, so that parallel workers and other checkouts never get the same. They lie below
the ports that the kernel gives to outgoing connections, which could take one.
"""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 20_000, 32_000
DIRECTORY = Path(tempfile.gettempdir()) / f"media-appliance-ports-{os.getuid()}"

_locks: list[int] = []
"""Open files, whose locks last until this process ends."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port on which nobody listens, and which nobody else is given."""
    DIRECTORY.mkdir(exist_ok=True)
    begin = random.randrange(LAST - FIRST)
    for step in range(LAST - FIRST):
        port = FIRST + (begin + step) % (LAST - FIRST)
        lock = os.open(DIRECTORY / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, kind) as probe:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            probe.bind(("127.0.0.1", port))
            _locks.append(lock)
            return port
        os.close(lock)
    raise OSError(f"no free port between {FIRST} and {LAST}")
