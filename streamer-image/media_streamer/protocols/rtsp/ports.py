"""RTP over UDP: the sockets of a worker, of players, publishers and sources.

Each worker has ports of its own, told in SETUP; nothing shares a UDP port. Packets of equal size in
a row leave in one system call.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from media_streamer.outgoing.segments import runs, segments_of

Address = tuple[str, int]
Receive = Callable[[bytes, Address], None]

PORT_ATTEMPTS = 64
SOCKET_BYTES = 4 * 1024 * 1024
MAX_DATAGRAM_BYTES = 2048
READS_AT_ONCE = 64


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
                self.socket.sendmsg((data,), segments_of(size), 0, address)

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
