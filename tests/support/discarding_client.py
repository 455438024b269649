"""`python -m tests.support.discarding_client PORT SECONDS CONNECTIONS`: asks for large files.

The paths come on standard input, a line each, and are asked for in turn on connections that stay.
Bodies are thrown away by the kernel (MSG_TRUNC, tcp(7)), so megabytes cost a system call: a client
that copies them in small pieces lets the windows of the receiver close, and what that costs is
counted as the server's. Prints one line of JSON: `requests`, `bytes`, `failed`.
"""

import json
import re
import select
import socket
import sys
import time

HOST = "127.0.0.1"
HEAD_BYTES = 1024
READ_BYTES = 1 << 22
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Load:
    """All connections."""

    def __init__(self, port: int, connections: int, paths: list[str]) -> None:
        self._requests = [
            f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode() for path in paths
        ]
        self._buffer = bytearray(READ_BYTES)
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._left: dict[int, int] = {}
        """Of a body, by connection; -1: its head is to come."""
        self.asked = self.requests = self.bytes = self.failed = 0
        for _ in range(connections):
            sock = socket.create_connection((HOST, port))
            sock.setblocking(False)
            self._sockets[sock.fileno()] = sock
            self._epoll.register(sock, select.EPOLLIN)
            self._ask(sock)

    def _ask(self, sock: socket.socket) -> None:
        self._left[sock.fileno()] = -1
        sock.send(self._requests[self.asked % len(self._requests)])
        self.asked += 1

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, _ in self._epoll.poll(1):
                try:
                    self._read(number)
                except BlockingIOError:
                    continue
                except OSError:
                    self.failed += 1
                    self._epoll.unregister(number)
                    self._sockets.pop(number).close()

    def _read(self, number: int) -> None:
        sock = self._sockets[number]
        if self._left[number] < 0:
            seen = sock.recv(HEAD_BYTES, socket.MSG_PEEK)
            end = seen.find(b"\r\n\r\n") + 4
            found = _LENGTH.search(seen, 0, max(end, 0))
            if end < 4 or found is None or not seen.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError(seen)
            sock.recv(end)
            self._left[number] = int(found[1])
        size = min(self._left[number], READ_BYTES)
        count = sock.recv_into(self._buffer, size, socket.MSG_TRUNC)
        if not count:
            raise ConnectionError("closed")
        self.bytes += count
        self._left[number] -= count
        if not self._left[number]:
            self.requests += 1
            self._ask(sock)


def main() -> int:
    load = Load(int(sys.argv[1]), int(sys.argv[3]), sys.stdin.read().split())
    load.run(float(sys.argv[2]))
    told = {"requests": load.requests, "bytes": load.bytes, "failed": load.failed}
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
