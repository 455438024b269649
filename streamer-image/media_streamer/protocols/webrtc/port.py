"""The port of a worker that all its WebRTC sessions share (RFC 7983): UDP, and TCP of that number.

A packet belongs to a session by the address or the connection that it comes from; these get to a
session by a STUN check that was made with the session's password. Everything else is counted and
dropped: no answer goes to whom nobody knows.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Sequence

from media_process.door import Doorkeeper, DoorServer

from media_streamer.budgets import (
    WEBRTC_CONNECTIONS,
    WEBRTC_FEEDBACK_PER_SECOND,
    WEBRTC_TELL_SECONDS,
)
from media_streamer.outgoing.segments import segments_of
from media_streamer.protocols.webrtc import stun, tcp
from media_streamer.protocols.webrtc.connection import PeerConnection
from media_streamer.protocols.webrtc.packets import run_lengths
from media_streamer.protocols.webrtc.tcp import TcpPath

log = logging.getLogger(__name__)

READS_AT_ONCE = 128
MAX_DATAGRAM_BYTES = 2048
SWEEP_SECONDS = 0.25
MANY = 1000
"""Packets of no use in `WEBRTC_TELL_SECONDS` that are worth a line: sessions that ended leave a
few. It is said at once, and once in that time."""
_SUCCESS = stun.BINDING_SUCCESS.to_bytes(2)

Address = tuple[str, int] | tuple[str, int, int, int]
"""As the socket gives it."""
Endpoint = Address | TcpPath
"""Where a peer is."""


class WebRtcPort:
    """A bound socket, the connections beside it, and the sessions that use them."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.number: int = sock.getsockname()[1]
        self.unknown = 0
        """Datagrams of nobody's."""
        self.refused = 0
        """Checks without the right password."""
        self.surplus = 0
        """RTCP packets of peers beyond their bound, which nobody reads."""
        self.paths: set[TcpPath] = set()
        """Connections that are open, also those of nobody's."""
        self._door: DoorServer | None = None
        self._names: dict[str, PeerConnection] = {}
        self._addresses: dict[Endpoint, PeerConnection] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._read)
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self._closing = False
        self._tells_at = self._counts_since = self._loop.time()
        self._told = 0

    def listen(self, door: Doorkeeper) -> bool:
        """Take connections on the same number; False if another program has it."""
        try:
            sock = tcp.listen(self.socket)
        except OSError as error:
            log.debug("webrtc: TCP port %d: %s", self.number, error)
            return False
        self._door = door.serve(lambda: TcpPath(self), sock)
        return True

    @property
    def has_tcp(self) -> bool:
        """Whether peers may come by TCP, too."""
        return self._door is not None

    @property
    def is_full(self) -> bool:
        return len(self._names) >= WEBRTC_CONNECTIONS

    def new_name(self) -> str:
        """A user name fragment that no session has (RFC 8445 5.3: 24 bits at least)."""
        while (name := secrets.token_hex(6)) in self._names:
            pass
        return name

    def add(self, connection: PeerConnection) -> None:
        """Checks for the connection's name are its from now on."""
        self._names[connection.local.ufrag] = connection

    def drop_name(self, name: str) -> None:
        """An ICE restart: the peer uses another one."""
        self._names.pop(name, None)

    def remove(self, connection: PeerConnection) -> None:
        """Nothing more is its."""
        for name in (connection.local.ufrag, connection.former_name):
            if self._names.get(name) is connection:
                del self._names[name]
        for address in connection.addresses:
            if self._addresses.get(address) is connection:
                del self._addresses[address]
                if isinstance(address, TcpPath):
                    address.close()
        if self._closing and not self._names:
            self._shut()

    def send(
        self, packets: list[bytes], address: Endpoint, runs: Sequence[int] | None = None
    ) -> None:
        """Send in order, runs of one size in one system call; what the kernel cannot take is
        lost, as on any network. `runs`: how many packets are in each, where that is known."""
        if isinstance(address, TcpPath):
            address.send(packets)
            return
        at = 0
        for count in run_lengths(packets) if runs is None else runs:
            run = packets[at : at + count]
            at += count
            if count == 1 or not self._send_run(run, address):
                for packet in run:
                    with contextlib.suppress(OSError):
                        self.socket.sendto(packet, address)

    def _send_run(self, run: list[bytes], address: Address) -> bool:
        """False where the kernel or the path has no segments (an old one, a small MTU)."""
        try:
            self.socket.sendmsg(run, segments_of(len(run[0])), 0, address)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Take no new sessions; those that are there go on."""
        self._closing = True
        if not self._names:
            self._shut()

    def lose(self, path: TcpPath) -> None:
        """A connection is closed: its peer may come by another one while its consent lasts."""
        self.paths.discard(path)
        connection = self._addresses.pop(path, None)
        if connection is not None:
            connection.lose(path)

    def _shut(self) -> None:
        if self._door is not None:
            self._door.close()
        for path in list(self.paths):
            path.close()
        if self.socket.fileno() >= 0:
            self._timer.cancel()
            self._loop.remove_reader(self.socket.fileno())
            self.socket.close()

    def _read(self) -> None:
        receive = self.socket.recvfrom
        for _ in range(READS_AT_ONCE):
            try:
                data, address = receive(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                if self.socket.fileno() < 0:
                    return  # closed by what it read
                continue  # an ICMP error of a peer that is gone
            if data:
                self.take(data, address)

    def take(self, data: bytes, source: Endpoint) -> bool:
        """A packet came; False if it is nobody's."""
        first = data[0]
        if first < 4:
            return self._take_check(data, source)
        connection = self._addresses.get(source)
        if connection is None:
            self.unknown += 1
            return False
        if first >= 128:
            connection.take_media(data)
        elif 20 <= first < 64:
            connection.take_dtls(data)
        return True

    def _take_check(self, data: bytes, source: Endpoint) -> bool:
        if data[:2] == _SUCCESS:
            called = self._addresses.get(source)
            if called is None or not called.take_success(data, source):
                self.unknown += 1
                return False
            return True
        request = stun.parse_request(data)
        connection = self._names.get(request.local) if request is not None else None
        if request is None or connection is None:
            self.unknown += 1
            return False
        answer = connection.take_check(data, request, source)
        if answer is None:
            self.refused += 1
            return False
        self.send([answer], source)
        return True

    def bind(self, connection: PeerConnection, source: Endpoint) -> None:
        """Packets from there are the connection's: it proved that it knows its password."""
        self._addresses[source] = connection
        if isinstance(source, TcpPath):
            source.proven()

    def unbind(self, source: Endpoint) -> None:
        self._addresses.pop(source, None)
        if isinstance(source, TcpPath):
            source.close()

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        now = self._loop.time()
        if now >= self._tells_at:
            self._tell(now)
        for connection in list(self._names.values()):
            connection.check(now)

    def _tell(self, now: float) -> None:
        """What came of no use since the last time, if it was much."""
        came = self.unknown + self.refused + self.surplus - self._told
        if came < MANY and now - self._counts_since < WEBRTC_TELL_SECONDS:
            return
        since, self._counts_since = self._counts_since, now
        self._told += came
        if came >= MANY:
            self._tells_at = now + WEBRTC_TELL_SECONDS
            log.warning(
                "webrtc: port %d: %d packets in %.0f s were of no use; in all %d of no session, %d"
                " checks with a wrong password, and %d of RTCP beyond %d a second of a peer",
                self.number,
                came,
                now - since,
                self.unknown,
                self.refused,
                self.surplus,
                WEBRTC_FEEDBACK_PER_SECOND,
            )
