"""`python -m tests.support.viewers PROTO PORT NAME COUNT`: many viewers that throw everything away.

A process of its own with one epoll loop, so that the readers cost little and are not counted as
the server's. PROTO is flv, ts, rtmp, rtsp, rtsp-udp, srt or webrtc. Once all viewers have data it
prints `ready`; with the end of its input it prints one line of JSON: `{"bytes": …, "seconds": …,
"closed": viewers lost}`, both figures since `ready`.
"""

import json
import select
import socket
import sys
import time

from media_streamer.protocols.webrtc import stun

from tests.support import rtmp_request, rtsp_viewer, webrtc_viewer
from tests.support.srt_viewers import SrtAudience

HOST = "127.0.0.1"
BUFFER_BYTES = 1 << 18
PATHS = {"flv": "/{}.flv", "ts": "/{}/mpegts"}
READY_SECONDS = 30.0


def connect(proto: str, port: int, name: str) -> socket.socket:
    """A viewer whose request is on its way."""
    if proto == "rtmp":
        return rtmp_request.play(HOST, port, "static", name)
    if proto == "webrtc":
        return webrtc_viewer.connect(HOST, port, name)
    if proto in ("rtsp", "rtsp-udp"):
        return rtsp_viewer.connect(HOST, port, name, udp=proto == "rtsp-udp")
    sock = socket.create_connection((HOST, port), rtmp_request.TIMEOUT_SECONDS)
    path = PATHS[proto].format(name)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return sock


class Audience:
    """Sockets that are read and forgotten."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._buffer = bytearray(BUFFER_BYTES)
        self._silent: set[int] = set()
        self.received = 0
        self.closed = 0

    def add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sockets[sock.fileno()] = sock
        self._silent.add(sock.fileno())
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    @property
    def all_watch(self) -> bool:
        """Every viewer has got something."""
        return not self._silent

    def read(self, seconds: float) -> bool:
        """Read what is there; False once standard input has ended."""
        for number, _ in self._epoll.poll(seconds):
            if number == sys.stdin.fileno():
                return False
            self._read_one(number)
        return True

    def add_all(self, proto: str, port: int, name: str, count: int) -> None:
        for _ in range(count):
            self.add(connect(proto, port, name))
            self.read(0)

    def watch_stdin(self) -> None:
        self._epoll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)

    def _read_one(self, number: int) -> None:
        sock = self._sockets[number]
        try:
            count = sock.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if count >= stun.HEADER_BYTES and self._buffer[0] < 4 and sock.type is socket.SOCK_DGRAM:
            webrtc_viewer.answer_check(sock, bytes(self._buffer[:count]))
            return
        self._silent.discard(number)
        self.received += count
        if not count:
            self.closed += 1
            self._epoll.unregister(number)
            self._sockets.pop(number).close()


def main() -> int:
    proto, port, name, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    audience: Audience | SrtAudience
    if proto == "srt":
        audience = SrtAudience(HOST, port, name, count)
    else:
        audience = Audience()
        audience.add_all(proto, port, name, count)
    deadline = time.monotonic() + READY_SECONDS
    while not audience.all_watch:
        if time.monotonic() > deadline:
            print("some viewers got nothing", file=sys.stderr)
            return 1
        audience.read(0.1)
    print("ready", flush=True)
    before, began = audience.received, time.monotonic()
    audience.watch_stdin()
    while audience.read(1.0):
        pass
    received, seconds = audience.received - before, time.monotonic() - began
    result = {"bytes": received, "seconds": seconds, "closed": audience.closed}
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
