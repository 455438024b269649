"""`push udp://[INTERFACE@]HOST:PORT[/INTERFACE][?ttl=N]`: MPEG-TS in datagrams of seven packets.

Nobody answers, so a push runs as soon as there is an address; what the network says (a host that
refuses, no route) is an error that is told, and the push goes on. The rate is that of the stream:
what comes in bursts is spread over some tens of milliseconds, and no burst of old pictures is sent
at the start.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections import deque
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import Push
from media_streamer.outgoing.addresses import Reach, reach_of_process
from media_streamer.outgoing.dial import addresses

DATAGRAM_BYTES = 7 * 188
"""Fits an Ethernet frame; what receivers of MPEG-TS expect."""
DEFAULT_TTL = 16
"""Of multicast: beyond this network, as FFmpeg; the kernel's own default of 1 stays in it."""
TICK_SECONDS = 0.01
SPREAD_TICKS = 4
"""Of what waits, a part as large goes out each tick: a chunk of 40 ms is nearly gone with the
next."""
SEND_BUFFER_BYTES = 512 * 1024
MAX_REFUSED = 1000
"""Datagrams in a row that could not be sent: then the way there is looked for anew."""


@dataclass(frozen=True, slots=True)
class UdpUrl:
    """Where to, and by which interface (name or address; empty: as the routes say)."""

    host: str
    port: int
    interface: str
    ttl: int

    @classmethod
    def of(cls, url: str) -> "UdpUrl":
        """Raises ValueError with words for people."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise ValueError("the port of the URL is no number") from None
        if not parts.hostname or not port:
            raise ValueError("the URL lacks an address or a port: write udp://ADDRESS:PORT")
        query = parse_qs(parts.query, keep_blank_values=True)
        text = query.pop("ttl", [str(DEFAULT_TTL)])[-1]
        if query:
            raise ValueError(f"the URL has parameters that are not known: {', '.join(query)}")
        if not text.isdecimal() or not 0 <= int(text) <= 255:
            raise ValueError("ttl is 0 to 255")
        interface = parts.username or parts.path.strip("/")
        return cls(parts.hostname, port, interface, int(text))


def open_socket(url: UdpUrl, place: object, family: int, *, loop_back: bool) -> socket.socket:
    """A connected socket. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # the system's bound holds
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])  # type: ignore[index]
        if address.is_multicast:
            _set_multicast(sock, url, loop_back)
        sock.connect(place)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    return sock


def _set_multicast(sock: socket.socket, url: UdpUrl, loop_back: bool) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, url.ttl)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, loop_back)
        if url.interface:
            index = socket.if_nametoindex(url.interface)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        return
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, url.ttl)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, loop_back)
    if url.interface:
        # struct ip_mreqn of ip(7): group, address of the interface, its index.
        try:
            request = struct.pack("4s4si", bytes(4), socket.inet_aton(url.interface), 0)
        except OSError:
            request = struct.pack("4s4si", bytes(4), bytes(4), socket.if_nametoindex(url.interface))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)


class UdpSender:
    """What a broadcast writes to."""

    def __init__(self, sock: socket.socket, work: Work) -> None:
        self._socket = sock
        self._work = work
        self._waiting: deque[bytes] = deque()
        self._rest = b""
        self._refused = 0
        self._timer: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def write(self, data: bytes) -> None:
        """Send whole packets; what fills no datagram goes with the next ones."""
        data = self._rest + data
        whole = len(data) // DATAGRAM_BYTES * DATAGRAM_BYTES
        self._waiting.extend(
            data[at : at + DATAGRAM_BYTES] for at in range(0, whole, DATAGRAM_BYTES)
        )
        self._rest = data[whole:]
        if self._timer is None and self._waiting:
            self._send()

    def get_write_buffer_size(self) -> int:
        return len(self._waiting) * DATAGRAM_BYTES

    def abort(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._socket.close()

    def _send(self) -> None:
        self._timer = None
        for _ in range(-(-len(self._waiting) // SPREAD_TICKS)):
            datagram = self._waiting.popleft()
            try:
                self._socket.send(datagram)
                self._refused = 0
            except OSError as error:
                # Also what became of an earlier one: ICMP is told late.
                self._refused += 1
                self._work.count("errors_dropped_frames")
                self._work.error = error.strerror or str(error)
        if self._refused > MAX_REFUSED and not self.lost.done():
            self.lost.set_result(f"nothing can be sent: {self._work.error}")
            self._waiting.clear()
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._send)


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    push = Push(egress, work)
    try:
        url = UdpUrl.of(push.config.url)
    except ValueError as error:
        raise JobFailed(str(error), hopeless=True) from None
    broadcast = await push.source("ts")
    async with push.reaching():
        sock = await _reach(url, reach_of_process(), loop_back=bool(push.config.multicast_loop))
    sender = UdpSender(sock, work)
    try:
        await push.send(broadcast, sender, sender.lost, replay=False)
    finally:
        sender.abort()


async def _reach(url: UdpUrl, reach: Reach, *, loop_back: bool) -> socket.socket:
    failure: OSError = OSError("the host has no address")
    for family, _, _, place in await addresses(url.host, url.port, socket.SOCK_DGRAM, reach):
        try:
            return open_socket(url, place, family, loop_back=loop_back)
        except OSError as error:
            failure = error
    raise failure
