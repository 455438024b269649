"""What of SRT reaches libsrt: the kernel drops what would do harm there.

libsrt (1.5.1 was looked at) believes what a peer says of its datagrams and its window: with
datagrams of 60 bytes it writes its answer behind the buffer that it has made for it, and for a
window it takes 24 bytes a packet at once, 48 GB for the largest. Asked to forget the packets from
one number to another, it looks at each number between, two thousand million of them, and the whole
port waits. It owns the socket and shows nobody what comes, so a filter of the socket (socket(7),
SO_ATTACH_FILTER; linux/filter.h) looks at it. (draft-sharabayko-srt 3.2.1 and 3.2.9.)
"""

import contextlib
import ctypes
import logging
import socket
import struct

from media_streamer.budgets import (
    SRT_GIVEN_UP_PACKETS,
    SRT_LEAST_DATAGRAM_BYTES,
    SRT_WINDOW_PACKETS,
)

log = logging.getLogger(__name__)

LEAST_WINDOW_PACKETS = 32
"""As libsrt has it of its own option (SRTO_FC)."""
_SO_ATTACH_FILTER = 26
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("@9I")
_DROPS = 8
"""Place of SK_MEMINFO_DROPS in it (linux/sock_diag.h)."""
_HANDSHAKE, _DROP_REQUEST = 0x8000_0000, 0x8007_0000
_KIND = 0xFFFF_0000
_SEQUENCE = 0x7FFF_FFFF
_UDP_BYTES, _HEADER_BYTES = 8, 16
"""A filter begins with the header of UDP."""
_BODY = _UDP_BYTES + _HEADER_BYTES
_LOAD, _KEEP, _LESS_KEPT, _AND, _RETURN = 0x20, 0x07, 0x1C, 0x54, 0x06
_IF_EQUAL, _IF_ABOVE, _IF_AT_LEAST = 0x15, 0x25, 0x35
_ALL, _NOTHING = 0xFFFF_FFFF, 0

# Code, how many lines to skip if so and if not, operand. A datagram that ends before what is loaded
# is dropped.
_PROGRAM = (
    (_LOAD, 0, 0, _UDP_BYTES),
    (_AND, 0, 0, _KIND),
    (_IF_EQUAL, 1, 0, _HANDSHAKE),
    (_IF_EQUAL, 6, 14, _DROP_REQUEST),
    (_LOAD, 0, 0, _BODY + 12),  # size of datagrams
    (_IF_AT_LEAST, 0, 13, SRT_LEAST_DATAGRAM_BYTES),
    (_IF_ABOVE, 12, 0, 0xFFFF),
    (_LOAD, 0, 0, _BODY + 16),  # window
    (_IF_AT_LEAST, 0, 10, LEAST_WINDOW_PACKETS),
    (_IF_ABOVE, 9, 8, SRT_WINDOW_PACKETS),
    (_LOAD, 0, 0, _BODY),  # from the first number …
    (_IF_ABOVE, 7, 0, _SEQUENCE),
    (_KEEP, 0, 0, 0),
    (_LOAD, 0, 0, _BODY + 4),  # … to the last
    (_IF_ABOVE, 4, 0, _SEQUENCE),
    (_LESS_KEPT, 0, 0, 0),
    (_AND, 0, 0, _SEQUENCE),
    (_IF_ABOVE, 1, 0, SRT_GIVEN_UP_PACKETS),
    (_RETURN, 0, 0, _ALL),
    (_RETURN, 0, 0, _NOTHING),
)


def guard(udp: socket.socket) -> None:
    """Let nothing else in from now on; what has come until now is lost."""
    code = b"".join(struct.pack("=HBBI", *line) for line in _PROGRAM)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(_PROGRAM), ctypes.addressof(held))
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError as error:  # a kernel that is none of Linux
        log.warning("srt: nothing is looked at before libsrt reads it: %s", error)
        return
    udp.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            udp.recv(1)


class Drops:
    """How many datagrams of a guarded socket nobody got to read: the filter refused them, or the
    buffer of the socket was full. A filter cannot count, so the kernel's own count of the socket is
    looked at. `close` it with the socket: until then the port is not free."""

    def __init__(self, udp: socket.socket) -> None:
        self._udp = udp.dup()
        self._seen = self._count() or 0

    def new(self) -> int:
        """How many there were since this was asked last; 0 where the kernel does not tell."""
        before, count = self._seen, self._count()
        if count is None:
            return 0
        self._seen = count
        return (count - before) & 0xFFFF_FFFF

    def close(self) -> None:
        """May be called again."""
        self._udp.close()

    def _count(self) -> int | None:
        try:
            return int(
                _MEMINFO.unpack(
                    self._udp.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
                )[_DROPS]
            )
        except (OSError, struct.error):
            return None
