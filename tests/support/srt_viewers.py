"""Viewers by SRT that throw everything away, for `tests.support.viewers`.

One thread, and one UDP port for all of them: libsrt has two threads of its own for each port.
"""

import select
import socket
import sys
import time

from media_streamer.protocols.srt.libsrt import (
    ASYNC_RECEIVE,
    ERR,
    IN,
    MAX_MESSAGE_BYTES,
    Option,
    SrtSocket,
    ffi,
    last_error,
    library,
    socket_address,
)

from tests.support.ports import free_port

CONNECT_MS = 10_000
EVENTS = 256
GATHER_SECONDS = 0.02


class SrtAudience:
    """Made with all its viewers connected."""

    def __init__(self, host: str, port: int, name: str, count: int) -> None:
        self._lib = library()
        self._poll = self._lib.srt_epoll_create()
        self._events = ffi.new("SRT_EPOLL_EVENT[]", EVENTS)
        self._buffer = ffi.new("char[]", MAX_MESSAGE_BYTES)
        self._silent: set[int] = set()
        self._watches_stdin = False
        self.received = 0
        self.closed = 0
        own = socket_address(host, free_port(socket.SOCK_DGRAM))
        for _ in range(count):
            sock = SrtSocket.blocking(CONNECT_MS)
            sock.set_flag(Option.STREAMID, f"read:{name}")
            if self._lib.srt_bind(sock.number, own, len(own)) < 0:
                raise last_error("bind")
            sock.connect(host, port)
            sock.set_flag(Option.RCVSYN, False)
            self._lib.srt_epoll_add_usock(self._poll, sock.number, ffi.new("int *", IN | ERR))
            self._silent.add(sock.number)

    @property
    def all_watch(self) -> bool:
        """Every viewer has got something."""
        return not self._silent

    def watch_stdin(self) -> None:
        """From now on `read` says when it has ended."""
        self._watches_stdin = True

    def read(self, seconds: float) -> bool:
        """Read what comes within so long, what comes together together; False once standard input
        has ended."""
        found = self._lib.srt_epoll_uwait(self._poll, self._events, EVENTS, round(1000 * seconds))
        for index in range(max(found, 0)):
            self._read_one(self._events[index].fd)
        time.sleep(GATHER_SECONDS)
        return not (self._watches_stdin and select.select([sys.stdin], [], [], 0)[0])

    def _read_one(self, number: int) -> None:
        while (size := self._lib.srt_recv(number, self._buffer, MAX_MESSAGE_BYTES)) > 0:
            self._silent.discard(number)
            self.received += size
        if size == 0 or self._lib.srt_getlasterror(ffi.NULL) != ASYNC_RECEIVE:
            self.closed += 1
            self._lib.srt_epoll_remove_usock(self._poll, number)
            self._lib.srt_close(number)
