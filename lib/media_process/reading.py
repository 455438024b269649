"""What is read from a connection at once: less than what the C library maps.

asyncio makes room for 256 KiB before it reads, whatever comes. From 128 KiB on glibc maps that room
anew each time (mallopt(3), M_MMAP_THRESHOLD), cuts it down to what came and unmaps it with the
bytes: three system calls and page faults, 12 of the 15 microseconds that a small request takes to
be read. More than a read's worth is read in the next turn.
"""

import asyncio.selector_events
from typing import Any

READ_BYTES = 64 * 1024
"""No datagram is larger."""


def bound() -> None:
    """For all connections of this process; to be called once, before there are any."""
    transports: Any = asyncio.selector_events
    transports._SelectorTransport.max_size = READ_BYTES
