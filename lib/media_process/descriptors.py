"""File descriptors: as many as the machine gives, and how many of them may be connections."""

import logging
import resource

log = logging.getLogger(__name__)

WANTED = 65_536
"""No program here uses more; some libraries walk through all that a process may have."""
RESERVED = 128
"""Of a process, for its own sockets and files."""
PER_CONNECTION = 2
"""The socket, and what is read for it: a file, or a connection to another process."""
LEAST_CONNECTIONS = 16
FEW = 4096
"""Below this the start says how many connections there can be."""


def raise_limit() -> int:
    """Raise RLIMIT_NOFILE as far as needed and allowed, for us and our children; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft < FEW:
        room = connection_limit(WANTED, soft)
        log.warning("%d file descriptors: %d connections a process (ulimit -n)", soft, room)
    return soft


def connection_limit(most: int, descriptors: int | None = None) -> int:
    """Connections that a process may have, at most `most`; `descriptors`: by default its limit."""
    if descriptors is None:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(LEAST_CONNECTIONS, min(most, (descriptors - RESERVED) // PER_CONNECTION))
