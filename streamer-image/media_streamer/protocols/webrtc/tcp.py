"""ICE over TCP (RFC 6544): for peers whose way lets no UDP through. Passive candidates only.

A packet is framed by its length (RFC 4571). A connection is nobody's until a check with the
password of a session has come by it; one that does not bring such a check in time is ended.

Invariants: what waits for a peer that does not read is bounded here; who sends pictures looks at
`unsent` and skips to a key frame long before that.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from media_streamer.budgets import WEBRTC_TCP_CHECK_SECONDS, WEBRTC_TCP_UNSENT_BYTES

if TYPE_CHECKING:
    from media_streamer.protocols.webrtc.port import WebRtcPort

log = logging.getLogger(__name__)

BACKLOG = 256
MAX_FRAME_BYTES = 2048
"""As of a datagram: nobody sends larger packets."""
MAX_STRANGE_PACKETS = 16
"""Packets of nobody's that a connection may bring."""
NOT_SENT_BYTES = 64 * 1024
"""What the kernel keeps beyond what is on its way: the rest waits where it is seen."""


def listen(beside: socket.socket) -> socket.socket:
    """A listening socket on the address and the number of a UDP socket; raises OSError."""
    sock = socket.socket(beside.family, socket.SOCK_STREAM)
    try:
        # No SO_REUSEPORT: the number is this worker's alone.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if beside.family == socket.AF_INET6:
            only = beside.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)
        sock.bind(beside.getsockname()[:2])
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class TcpPath(asyncio.Protocol):
    """A connection by which a peer reaches a port: what an address is to UDP."""

    def __init__(self, port: "WebRtcPort") -> None:
        self.host, self.number = "", 0
        self.dropped = 0
        """Packets that a peer did not read in time."""
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._strange = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has no room for."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        self.host, self.number = str(peer[0]).removeprefix("::ffff:"), int(peer[1])
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(WEBRTC_TCP_CHECK_SECONDS, self.abort)
        self._port.paths.add(self)

    def proven(self) -> None:
        """It is a session's: the peer knows its password."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, error: Exception | None) -> None:
        self.proven()
        self._transport = None
        self._port.lose(self)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        position, total = 0, len(data)
        while position + 2 <= total:
            size = data[position] << 8 | data[position + 1]
            if size > MAX_FRAME_BYTES:
                self.abort()
                return
            end = position + 2 + size
            if end > total:
                break
            if size and not self._port.take(data[position + 2 : end], self):
                self._strange += 1
                if self._strange > MAX_STRANGE_PACKETS:
                    self.abort()
            if self._transport is None or self._transport.is_closing():
                return  # ended by what it brought
            position = end
        self._rest = data[position:]

    def send(self, packets: Sequence[bytes]) -> None:
        """Send in order; what a peer that does not read has no room for is lost."""
        if self._transport is None or self._transport.is_closing():
            return
        if self.unsent > WEBRTC_TCP_UNSENT_BYTES:
            self.dropped += len(packets)
            return
        self._transport.write(
            b"".join([part for one in packets for part in (len(one).to_bytes(2), one)])
        )

    def close(self) -> None:
        """End it behind what was sent."""
        if self._transport is not None:
            self._transport.close()
            loop = asyncio.get_running_loop()
            self.proven()
            # A peer that does not read would keep the connection open.
            self._timer = loop.call_later(WEBRTC_TCP_CHECK_SECONDS, self.abort)

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
