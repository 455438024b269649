"""Handshakes of SRT that reach libsrt: the kernel drops what would do harm there.

libsrt (1.5.1 was looked at) believes what a peer says of its datagrams and its window: with
datagrams of 60 bytes it writes its answer behind the buffer that it has made for it, and for a
window it takes 24 bytes a packet at once, 48 GB for the largest. It gives nobody a look at these
fields before, and owns the socket, so a filter of the socket (socket(7), SO_ATTACH_FILTER) looks at
them. (draft-sharabayko-srt 3.2.1.)
"""

import contextlib
import ctypes
import logging
import socket
import struct

from media_streamer.budgets import SRT_LEAST_DATAGRAM_BYTES, SRT_WINDOW_PACKETS

log = logging.getLogger(__name__)

LEAST_WINDOW_PACKETS = 32
"""As libsrt has it of its own option (SRTO_FC)."""
_SO_ATTACH_FILTER = 26
_HANDSHAKE = 0x8000_0000
_TYPE_MASK = 0xFFFF_0000
_UDP_BYTES = 8
"""Of the header, at which a filter begins."""
_DATAGRAM_AT, _WINDOW_AT = _UDP_BYTES + 16 + 12, _UDP_BYTES + 16 + 16
_LOAD, _AND, _IF_EQUAL, _IF_ABOVE, _IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x25, 0x35, 0x06
_ALL = 0xFFFF_FFFF

# Code, how many to go on by if so and if not, operand (linux/filter.h). What is read beyond the end
# of a datagram drops it.
_PROGRAM = (
    (_LOAD, 0, 0, _UDP_BYTES),
    (_AND, 0, 0, _TYPE_MASK),
    (_IF_EQUAL, 0, 6, _HANDSHAKE),
    (_LOAD, 0, 0, _DATAGRAM_AT),
    (_IF_AT_LEAST, 0, 5, SRT_LEAST_DATAGRAM_BYTES),
    (_IF_ABOVE, 4, 0, 0xFFFF),
    (_LOAD, 0, 0, _WINDOW_AT),
    (_IF_AT_LEAST, 0, 2, LEAST_WINDOW_PACKETS),
    (_IF_ABOVE, 1, 0, SRT_WINDOW_PACKETS),
    (_RETURN, 0, 0, _ALL),
    (_RETURN, 0, 0, 0),
)


def guard(udp: socket.socket) -> None:
    """Let nothing else in from now on; what has come until now is lost."""
    code = b"".join(struct.pack("=HBBI", *line) for line in _PROGRAM)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(_PROGRAM), ctypes.addressof(held))
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError as error:  # a kernel that is none of Linux
        log.warning("srt: handshakes are not looked at before libsrt reads them: %s", error)
        return
    udp.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            udp.recv(1)
