"""The UDP port of a worker that all its WebRTC sessions share (RFC 7983).

A datagram belongs to a session by the address that it comes from; an address gets to a session by
a STUN check that was made with the session's password. Everything else is counted and dropped: no
answer goes to whom nobody knows.
"""

import asyncio
import contextlib
import secrets
import socket
import struct

from media_streamer.budgets import WEBRTC_CONNECTIONS
from media_streamer.protocols.rtsp.udp import plain, runs
from media_streamer.protocols.webrtc import stun
from media_streamer.protocols.webrtc.connection import PeerConnection

READS_AT_ONCE = 128
MAX_DATAGRAM_BYTES = 2048
SWEEP_SECONDS = 0.25
_UDP_SEGMENT = 103  # linux/udp.h
_SEGMENTS = struct.Struct("H")

Endpoint = tuple[str, int] | tuple[str, int, int, int]
"""As the socket gives it."""


class WebRtcPort:
    """A bound socket and the sessions that use it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.number: int = sock.getsockname()[1]
        self.unknown = 0
        """Datagrams of nobody's."""
        self.refused = 0
        """Checks without the right password."""
        self._names: dict[str, PeerConnection] = {}
        self._addresses: dict[Endpoint, PeerConnection] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._read)
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self._closing = False

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
        if self._closing and not self._names:
            self._shut()

    def send(self, packets: list[bytes], address: Endpoint) -> None:
        """Send in order, runs of one size in one system call; what the kernel cannot take is
        lost, as on any network."""
        for run in runs(packets):
            if len(run) == 1 or not self._send_run(run, address):
                for packet in run:
                    with contextlib.suppress(OSError):
                        self.socket.sendto(packet, address)

    def _send_run(self, run: list[bytes], address: Endpoint) -> bool:
        """False where the kernel or the path has no segments (an old one, a small MTU)."""
        control = [(socket.SOL_UDP, _UDP_SEGMENT, _SEGMENTS.pack(len(run[0])))]
        try:
            self.socket.sendmsg(run, control, 0, address)
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

    def _shut(self) -> None:
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
            if not data:
                continue
            first = data[0]
            if first < 4:
                self._take_check(data, address)
                continue
            connection = self._addresses.get(address)
            if connection is None:
                self.unknown += 1
            elif first >= 128:
                connection.take_media(data)
            elif 20 <= first < 64:
                connection.take_dtls(data)

    def _take_check(self, data: bytes, address: Endpoint) -> None:
        request = stun.parse_request(data)
        connection = self._names.get(request.local) if request is not None else None
        if request is None or connection is None:
            self.unknown += 1
            return
        answer = connection.take_check(data, request, address, plain(address[0]))
        if answer is None:
            self.refused += 1
            return
        with contextlib.suppress(OSError):
            self.socket.sendto(answer, address)

    def bind(self, connection: PeerConnection, address: Endpoint) -> None:
        """Datagrams from there are the connection's: it proved that it knows its password."""
        self._addresses[address] = connection

    def unbind(self, address: Endpoint) -> None:
        self._addresses.pop(address, None)

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        now = self._loop.time()
        for connection in list(self._names.values()):
            connection.check(now)
