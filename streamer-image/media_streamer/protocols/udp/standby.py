"""`standby` of a push: it sends to a multicast group only while nobody else does.

A second server with the same line takes over when the first one falls silent, and steps back when
it is there again. Whoever sends to the group from another address or port than our own sender is
another one. Two that stand by and begin at the same moment hear each other, stop both and wait for
times of their own, so one of them is first.

The group is looked at a few times a second and never read whole: it costs the same at 1 Mb/s and at
100, and what nobody reads the kernel drops.
"""

import asyncio
import contextlib
import ipaddress
import random
import socket
import struct
import time
from types import TracebackType
from typing import Self

from media_streamer.outgoing.dial import Place

POLL_SECONDS = 0.2
SILENT_SECONDS = 1.5
"""Nobody has sent for so long: the group is free. What comes in bursts of segments is none."""
SPREAD_SECONDS = 1.0
"""More of it at most, by chance: who stood by together does not begin together."""
BUFFER_BYTES = 256 * 1024
"""Between two looks; a group of 10 Mb/s fills it in that time."""
MAX_READ = 256
"""Datagrams a look."""


def interface_index(interface: str) -> tuple[bytes, int]:
    """Address and index of an interface, as `ip_mreqn` of ip(7) has them. Raises OSError."""
    if not interface:
        return bytes(4), 0
    try:
        return socket.inet_aton(interface), 0
    except OSError:
        return bytes(4), socket.if_nametoindex(interface)


class Standby:
    """Hears who sends to a group."""

    def __init__(self, place: Place, interface: str) -> None:
        """`place`: as `getaddrinfo` gives the group. Raises OSError."""
        self.own: object = None
        """Address of our own sender, which comes back with `multicast_loop`."""
        self._heard_at = time.monotonic()
        self._socket = socket.socket(place[0], socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self._socket.bind(place[3])
            self._join(str(place[3][0]).partition("%")[0], interface)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()

    async def free(self) -> None:
        """Wait until nobody sends."""
        self._heard_at = time.monotonic()
        silent = SILENT_SECONDS + random.random() * SPREAD_SECONDS
        # Looked at now and then on purpose: to wait for datagrams would wake for each of them.
        while self._look() or time.monotonic() - self._heard_at < silent:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)

    async def taken(self) -> None:
        """Wait until somebody else sends."""
        while not self._look():  # noqa: ASYNC110 - as above
            await asyncio.sleep(POLL_SECONDS)

    def _look(self) -> bool:
        """Somebody else has sent since the last time."""
        found = False
        with contextlib.suppress(OSError):  # nothing more there
            for _ in range(MAX_READ):
                _, sender = self._socket.recvfrom(1)
                if sender[:2] != self.own:
                    found = True
        if found:
            self._heard_at = time.monotonic()
        return found

    def _join(self, group: str, interface: str) -> None:
        packed = ipaddress.ip_address(group).packed
        if self._socket.family == socket.AF_INET6:
            index = socket.if_nametoindex(interface) if interface else 0
            request = packed + struct.pack("@i", index)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
            return
        address, index = interface_index(interface)
        request = struct.pack("4s4si", packed, address, index)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
