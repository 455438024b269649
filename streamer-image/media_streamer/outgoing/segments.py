"""Datagrams of one size in one system call (UDP_SEGMENT, udp(7)): a key frame is one call, not two
hundred."""

import functools
import socket
import struct
from collections.abc import Iterator

MAX_SEGMENTS = 32
"""Datagrams in one system call; the kernel takes 64 of them, and 64 KiB."""
_UDP_SEGMENT = 103  # linux/udp.h
_SIZE = struct.Struct("H")


@functools.lru_cache(maxsize=256)
def segments_of(size: int) -> tuple[tuple[int, int, bytes]]:
    """For `sendmsg`: what it is given leaves in datagrams of so many bytes."""
    return ((socket.SOL_UDP, _UDP_SEGMENT, _SIZE.pack(size)),)


def runs(packets: list[bytes]) -> Iterator[list[bytes]]:
    """Packets that one call can carry: all of one size, the last may be shorter."""
    run: list[bytes] = []
    for packet in packets:
        if run and (
            len(packet) > len(run[0]) or len(run[-1]) < len(run[0]) or len(run) == MAX_SEGMENTS
        ):
            yield run
            run = []
        run.append(packet)
    if run:
        yield run
