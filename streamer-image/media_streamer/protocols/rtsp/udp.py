"""RTP over UDP: the sockets of a worker and what is sent through them.

Each worker has ports of its own, told in SETUP; nothing shares a UDP port. Packets of equal size in
a row leave in one system call (UDP_SEGMENT, udp(7)): a key frame is one call, not two hundred.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Iterator

from media_streamer.egress.paced import PacedSender

log = logging.getLogger(__name__)

Address = tuple[str, int]
Receive = Callable[[bytes, Address], None]

PORT_ATTEMPTS = 64
SOCKET_BYTES = 4 * 1024 * 1024
MAX_DATAGRAM_BYTES = 2048
MAX_SEGMENTS = 32
"""Packets in one system call; the kernel takes 64 of them, and 64 KiB."""
READS_AT_ONCE = 64
_UDP_SEGMENT = 103  # linux/udp.h
_SIZE = struct.Struct("H")
Run = tuple[int, int, bytes]
"""Channel, bytes of a packet, packets."""


class UdpPort:
    """A bound UDP socket of this worker and who gets what comes in."""

    def __init__(self, sock: socket.socket, receive: Receive) -> None:
        self.socket = sock
        self.number: int = sock.getsockname()[1]
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._read)

    def send(self, packets: list[bytes], address: Address) -> None:
        """Send packets in order; what the kernel has no room for is lost, as on any network."""
        for run in runs(packets):
            self.send_run(b"".join(run), len(run[0]), address)

    def send_run(self, data: bytes, size: int, address: Address) -> None:
        """Send packets of `size` bytes, the last may be shorter; what there is no room for is
        lost."""
        with contextlib.suppress(BlockingIOError, OSError):
            if len(data) <= size:
                self.socket.sendto(data, address)
            else:
                control = [(socket.SOL_UDP, _UDP_SEGMENT, _SIZE.pack(size))]
                self.socket.sendmsg((data,), control, 0, address)

    def close(self) -> None:
        self._loop.remove_reader(self.socket.fileno())
        self.socket.close()

    def _read(self) -> None:
        for _ in range(READS_AT_ONCE):
            try:
                data, address = self.socket.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of a receiver that is gone
            self._receive(data, (plain(address[0]), address[1]))


def plain(host: str) -> str:
    """IPv4 addresses as such on a socket for both families."""
    return host.removeprefix("::ffff:")


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


def open_pair(rtp: Receive, rtcp: Receive, host: str = "") -> tuple[UdpPort, UdpPort]:
    """An even port and the next one (RFC 3550 11); raises OSError if none is to be had."""
    family = socket.AF_INET if not host or ":" not in host else socket.AF_INET6
    problem: OSError | None = None
    for _ in range(PORT_ATTEMPTS):
        first = _bind(family, host, 0)
        number = first.getsockname()[1]
        if number % 2:
            first.close()
            continue
        try:
            second = _bind(family, host, number + 1)
        except OSError as error:
            problem = error
            first.close()
            continue
        return UdpPort(first, rtp), UdpPort(second, rtcp)
    raise problem or OSError("no two UDP ports in a row are free")


def _bind(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
        sock.setblocking(False)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Channel and bytes of each packet in interleaved framing (RFC 2326 10.12)."""
    position, total = 0, len(data)
    while position + 4 <= total:
        end = position + 4 + (data[position + 2] << 8 | data[position + 3])
        yield data[position + 1], data[position + 4 : end]
        position = end


def cut(data: bytes) -> list[Run]:
    """Interleaved packets as runs, the packets of a channel in order."""
    channels: dict[int, list[bytes]] = {}
    for channel, packet in split(data):
        channels.setdefault(channel, []).append(packet)
    return [
        (channel, len(run[0]), b"".join(run))
        for channel, packets in channels.items()
        for run in runs(packets)
    ]


class _LastCut:
    """All viewers of a broadcast are written the very same bytes one after the other: they are cut
    once."""

    def __init__(self) -> None:
        self._data, self._runs = b"", list[Run]()

    def of(self, data: bytes) -> list[Run]:
        if data is not self._data:
            self._data, self._runs = data, cut(data)
        return self._runs


_last_cut = _LastCut()


class UdpSender(PacedSender[Run]):
    """To a viewer by UDP; `routes` says by channel where its packets go, and through which port."""

    def __init__(self, routes: dict[int, tuple[UdpPort, Address]]) -> None:
        super().__init__()
        self._routes = routes

    def write(self, data: bytes) -> None:
        """Send interleaved packets; those of a track that was not set up are left out."""
        for run in _last_cut.of(data):
            if run[0] in self._routes:
                self.queue(run, len(run[2]))
        self.pump()

    def send(self, datagrams: list[Run]) -> int:
        for channel, size, data in datagrams:
            port, address = self._routes[channel]
            port.send_run(data, size, address)
        return len(datagrams)
