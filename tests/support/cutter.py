"""A path to a server that can be cut at any byte or go silent with both sockets open."""

import asyncio
import contextlib
import socket
import struct


class Cutter:
    """TCP from a port of its own to `port`; one connection after another may use it."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._torn = asyncio.Event()
        self._tears = False
        self.port = 0
        self.sent = 0
        """Bytes that went to the server."""

    async def __aenter__(self) -> "Cutter":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", self._target)
        self._pairs.append((writer, out))
        for task in (
            asyncio.create_task(self._pump(reader, out, True)),
            asyncio.create_task(self._pump(there, writer, False)),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(64 * 1024):
                if self._torn.is_set():
                    continue
                if up and self._tears:
                    # The last piece is torn: an odd number of its bytes goes through.
                    data = data[: len(data) // 2 | 1]
                    self._torn.set()
                writer.write(data)
                if up:
                    self.sent += len(data)
                await writer.drain()

    def hang(self) -> None:
        """Tear the next piece and pass on nothing more; both sockets stay open."""
        self._tears = True

    async def torn(self) -> None:
        """Wait until the torn piece has gone out."""
        async with asyncio.timeout(60):
            await self._torn.wait()

    def cut(self, *, reset: bool) -> None:
        """End the server's connections, by FIN or by RST."""
        for _, out in self._pairs:
            sock = out.get_extra_info("socket")
            if reset and sock is not None:
                linger = struct.pack("ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                out.transport.abort()
            else:
                out.close()
