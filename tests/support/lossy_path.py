"""A path by UDP that loses datagrams and lets some of them overtake others, as `netem loss … delay`
makes it. In user space, because kernels without `sch_netem` are many, and without rights.

Which datagrams it hits is chance with a fixed seed; both directions are hit.
"""

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

Address = tuple[str, int]
MAX_BYTES = 65536
SOCKET_BYTES = 4 * 1024 * 1024
LATE_SECONDS = 0.02
"""How much later than its successors a datagram comes that is overtaken: several packets of a
picture."""
_PORTS = re.compile(rb"(client_port|server_port)=(\d+)-(\d+)")


class LossyPath:
    """Shares of datagrams from 0 to 1, which a test may change at any time."""

    def __init__(self, loss: float, late: float) -> None:
        self.loss, self.late = loss, late
        self.passed = self.dropped = self.delayed = 0
        self._chance = random.Random(1)
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def to(self, server: Address) -> int:
        """A port that leads to the server; each client gets an address of its own there."""
        front = self._socket()
        known: dict[Address, socket.socket] = {}

        def from_client(data: bytes, client: Address) -> None:
            back = known.get(client)
            if back is None:
                back = known[client] = self._socket()
                self._listen(back, lambda answer, _: self._send(front, answer, client))
            self._send(back, data, server)

        self._listen(front, from_client)
        return int(front.getsockname()[1])

    async def to_rtsp(self, port: int) -> int:
        """A port that leads to an RTSP server: requests go safely, what is sent by UDP does not."""

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            ports = _RtspPorts(self)
            both = self._pipe(reader, back, ports.rewrite), self._pipe(there, writer, ports.rewrite)
            try:
                await asyncio.gather(*both)
            finally:
                writer.close()
                back.close()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            task = self._loop.create_task(talk(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(begin, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _pipe(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        change: Callable[[bytes], bytes],
    ) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(change(line))
                await writer.drain()
        writer.close()

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Two sockets with ports in a row, the first one even (RFC 3550 11)."""
        while True:
            first = self._socket()
            number = int(first.getsockname()[1])
            if number % 2 == 0:
                with suppress(OSError):
                    return first, self._socket(number + 1)

    def join(self, here: socket.socket, peer: Address, there: socket.socket) -> None:
        """What comes to one socket goes to the peer by another."""
        self._listen(here, lambda data, _: self._send(there, data, peer))

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:  # of a task that had not begun, too
            writer.transport.abort()
        for one in self._sockets:
            self._loop.remove_reader(one)
            one.close()

    def _socket(self, number: int = 0) -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setblocking(False)
        # Nothing else may be lost when this process gets no CPU for a while.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        try:
            one.bind(("127.0.0.1", number))
        except OSError:
            one.close()
            raise
        self._sockets.append(one)
        return one

    def _listen(self, one: socket.socket, take: Callable[[bytes, Address], None]) -> None:
        def read() -> None:
            with suppress(BlockingIOError, ConnectionRefusedError):
                while True:
                    take(*one.recvfrom(MAX_BYTES))

        self._loop.add_reader(one, read)

    def _send(self, one: socket.socket, data: bytes, to: Address) -> None:
        fate = self._chance.random()
        if fate < self.loss:
            self.dropped += 1
        elif fate < self.loss + self.late:
            self.delayed += 1
            self._loop.call_later(LATE_SECONDS, self._deliver, one, data, to)
        else:
            self._deliver(one, data, to)

    def _deliver(self, one: socket.socket, data: bytes, to: Address) -> None:
        self.passed += 1
        # Closed meanwhile, or a full buffer: one more that is lost.
        with suppress(OSError):
            one.sendto(data, to)


class _RtspPorts:
    """Puts the path between the ports that one RTSP client and its server agree upon."""

    def __init__(self, path: LossyPath) -> None:
        self._path = path
        self._to_client: tuple[socket.socket, socket.socket] | None = None
        self._to_server: tuple[socket.socket, socket.socket] | None = None

    def rewrite(self, line: bytes) -> bytes:
        """A line with the path's ports in place of the peers'."""
        return _PORTS.sub(self._ports, line) if line[:10].lower() == b"transport:" else line

    def _ports(self, found: re.Match[bytes]) -> bytes:
        name, first, second = found[1], int(found[2]), int(found[3])
        if name == b"client_port":
            if self._to_server is not None and first in _numbers(self._to_server):
                # The server's echo of what it was told: the client knows its own.
                return b"client_port=%d-%d" % self._client
            self._client = (first, second)
            self._to_client, self._to_server = self._path.pair(), self._path.pair()
            for here, there, port in zip(self._to_server, self._to_client, (first, second),
                                         strict=True):  # fmt: skip
                self._path.join(here, ("127.0.0.1", port), there)
            return b"client_port=%d-%d" % _numbers(self._to_server)
        assert self._to_client is not None
        assert self._to_server is not None
        for here, there, port in zip(self._to_client, self._to_server, (first, second),
                                     strict=True):  # fmt: skip
            self._path.join(here, ("127.0.0.1", port), there)
        return b"server_port=%d-%d" % _numbers(self._to_client)


def _numbers(pair: tuple[socket.socket, socket.socket]) -> tuple[int, int]:
    return pair[0].getsockname()[1], pair[1].getsockname()[1]


@asynccontextmanager
async def lossy_path(loss: float, late: float) -> AsyncIterator[LossyPath]:
    """A path whose clients and servers are on this machine."""
    path = LossyPath(loss, late)
    try:
        yield path
    finally:
        await path.close()
