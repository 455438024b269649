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

from media_api.protocols import usual_listeners

FIRST, LAST = 20_000, 32_000
DIRECTORY = Path(tempfile.gettempdir()) / f"media-appliance-ports-{os.getuid()}"

_locks: list[int] = []
"""Open files, whose locks last until this process ends."""


def streamer_ports() -> dict[str, int]:
    """A free port for each listener that a streamer opens by itself, by the listener's name."""
    return {
        name: free_port(socket.SOCK_DGRAM if item.socket == "datagram" else socket.SOCK_STREAM)
        for name, (_, item) in usual_listeners().items()
    }


def trial_environment(ports: dict[str, int]) -> dict[str, str]:
    """What tells a trial of Central the ports of its streamer."""
    return {f"STREAMER_{name.upper()}_PORT": str(port) for name, port in ports.items()}


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
