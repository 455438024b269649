"""Files that a connection sends without a task, through real servers and sockets."""

import asyncio
import contextlib
import os
import socket
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from media_streamer.egress.http import connection, sending
from media_streamer.egress.http.prepared import Message, Prepared
from media_streamer.egress.http.sending import FileMessage, Sending, send_at_once
from media_streamer.egress.http.server import http_server
from media_streamer.files.gathered import in_parts
from media_streamer.files.samples import Span

SIZE = 20_000_000
"""More than the kernel keeps for a client that does not read."""
GET = b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
OTHER = GET.replace(b"file", b"other")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Service:
    """Knows the answer to GET beforehand, and hands the rest to a handler."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.body = os.urandom(1 << 20) * (SIZE >> 20)
        path.write_bytes(self.body)
        self.file = path.open("rb")
        self.offset, self.length = 0, len(self.body)
        self.begun = asyncio.Semaphore(0)
        self.ended: asyncio.Queue[tuple[int, OSError | None]] = asyncio.Queue()
        self.handled = 0
        self.server = http_server(self.handle, quick=self.find)
        self.port = 0

    def find(self, request: bytes, _: object) -> FileMessage | None:
        if request != GET:
            return None
        self.begun.release()

        def on_end(sent: int, error: OSError | None) -> None:
            self.ended.put_nowait((sent, error))

        head = HEAD % self.length
        parts = (Span(self.offset, self.length),)
        return FileMessage(head, self.file.fileno(), parts, self.length, on_end)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.handled += 1
        return Prepared(Message(b"other", "text/plain", "no-cache"))

    async def end(self) -> tuple[int, OSError | None]:
        async with asyncio.timeout(30):
            return await self.ended.get()


@pytest.fixture
async def service(tmp_path) -> AsyncIterator[Service]:
    made = Service(tmp_path / "file")
    listening = await asyncio.get_running_loop().create_server(made.server, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await made.server.shutdown(1)
    made.file.close()


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    """One that reads no more than it must."""
    sock = socket.create_connection(("127.0.0.1", service.port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
    reader, writer = await asyncio.open_connection(sock=sock, limit=10_000)
    yield reader, writer
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of one answer."""
    async with asyncio.timeout(60):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)


async def behind(service: Service, client: Client) -> None:
    """Ask, and read nothing."""
    client[1].write(GET)
    async with asyncio.timeout(30):
        await service.begun.acquire()
    assert service.ended.empty()


async def test_whole_files_of_any_size_one_after_the_other(service: Service, client: Client):
    reader, writer = client
    for service.offset, service.length in ((0, SIZE // 2), (7, 1), (100, 65_536), (5, SIZE // 3)):
        writer.write(GET)
        wanted = service.body[service.offset : service.offset + service.length]
        assert await answer(reader) == wanted
        assert await service.end() == (service.length, None)
    assert service.handled == 0


async def test_the_next_request_waits_for_its_turn(service: Service, client: Client):
    """Those that come while a file is sent are answered after it, the known and the others."""
    reader, writer = client
    await behind(service, client)
    writer.write(OTHER)
    assert await answer(reader) == service.body
    assert await answer(reader) == b"other"
    assert await service.end() == (len(service.body), None)
    await behind(service, client)
    writer.write(GET + OTHER)  # together: their bounds are the parser's to find
    assert await answer(reader) == service.body
    assert await answer(reader) == b"other"
    assert await answer(reader) == b"other"
    assert service.handled == 3


async def test_a_request_in_pieces_is_left_to_the_handler(service: Service, client: Client):
    reader, writer = client
    writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(GET))
    await asyncio.sleep(0.05)
    writer.write(GET)
    assert await answer(reader) == b"other"
    assert service.ended.empty()
    assert service.handled == 1


async def test_a_client_that_has_said_all_gets_all(service: Service, client: Client):
    reader, writer = client
    await behind(service, client)
    writer.write_eof()
    assert await answer(reader) == service.body
    assert await reader.read() == b""


async def test_a_client_that_goes(service: Service, client: Client):
    await behind(service, client)
    client[1].transport.abort()
    sent, error = await service.end()
    assert sent < SIZE
    assert isinstance(error, ConnectionError)


async def test_a_client_that_takes_nothing_is_closed(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "SEND_TIMEOUT_SECONDS", 0.3)
    await behind(service, client)
    sent, error = await service.end()
    assert sent < SIZE
    assert isinstance(error, TimeoutError)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await answer(client[0])


async def test_a_file_that_has_become_shorter(service: Service, client: Client):
    await behind(service, client)
    os.truncate(service.path, 1000)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await answer(client[0])
    _, error = await service.end()
    assert error is not None
    assert "shorter" in str(error)


async def test_keep_alive_does_not_end_what_is_sent(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
):
    await behind(service, client)
    (protocol,) = service.server.connections
    protocol._next_keepalive_close_time = 0.0
    protocol._process_keepalive()
    assert await answer(client[0]) == service.body
    assert await service.end() == (len(service.body), None)
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.0)
    protocol._next_keepalive_close_time = 0.0
    protocol._process_keepalive()
    assert await client[0].read() == b"", "idle it is closed"


async def _read_late(client: Client, over: Callable[[], bool]) -> bytes:
    await asyncio.sleep(0.1)
    assert not over()
    return await answer(client[0])


async def test_drain_waits_for_what_is_sent(service: Service, client: Client):
    await behind(service, client)
    service.server.pre_shutdown()
    closing = asyncio.create_task(service.server.shutdown(30))
    assert await _read_late(client, closing.done) == service.body
    assert await client[0].read() == b""
    async with asyncio.timeout(30):
        await closing


async def test_drain_has_an_end(service: Service, client: Client):
    await behind(service, client)
    service.server.pre_shutdown()
    async with asyncio.timeout(30):
        await service.server.shutdown(0.1)
    sent, error = await service.end()
    assert sent < SIZE
    assert isinstance(error, ConnectionError)


SPANS = tuple(Span(at * 1000, 700 + at) for at in range(5))
BEGIN = b"moof and so on"


class Taken:
    """A socket that takes so many bytes a call, and all that it took."""

    def __init__(self, most: list[int]) -> None:
        self.most = most
        self.data = bytearray()

    def writev(self, _: int, buffers: Sequence[bytes | memoryview]) -> int:
        if self.most and not self.most[0]:
            del self.most[0]
            raise BlockingIOError
        whole = b"".join(buffers)
        part = whole[: self.most.pop(0)] if self.most else whole
        self.data += part
        return len(part)


class OpenTransport(asyncio.Transport):
    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.mark.parametrize("changed", [False, True])
@given(most=st.lists(st.integers(0, 4000), max_size=4))
@example(most=[1])
@example(most=[2824, 1])
@example(most=[2824, 0])
def test_what_the_socket_does_not_take_at_once_goes_on_where_it_was(
    changed: bool, most: list[int]
) -> None:
    """Of many small parts; whatever it takes, the end is not sent of a file that was changed."""
    blocks, taken = most.count(0), Taken([*most])
    content = os.urandom(10_000)
    memory = memoryview(content)
    body = BEGIN + b"".join(content[at : at + size] for at, size in SPANS)
    parts = in_parts(SPANS)
    (end,) = parts[-1]
    ended: list[OSError | None] = []
    message = FileMessage(
        *(b"head", 7, parts, len(body), lambda _, error: ended.append(error)),
        begin=BEGIN,
        mapped=lambda places: [memory[at : at + size] for at, size in places],
        is_unchanged=lambda: not changed,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "writev", taken.writev)
        patch.setattr(os, "pread", lambda _, size, at: content[at : at + size])
        patch.setattr(Sending, "_wait", lambda _: None)
        patch.setattr(Sending, "_watch", lambda _: None)
        patch.setattr(OpenTransport, "abort", lambda _: None)
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(socket.socket())
            try:
                sent = send_at_once(TransportSocket(connection), message)
            except OSError as error:
                ended.append(error)
            else:
                if sent < 4 + len(body):
                    rest = Sending(OpenTransport(), TransportSocket(connection), message, int)
                    rest.skip(sent)
                    for _ in range(blocks + 1):
                        rest.go_on()
    if changed:
        assert str(ended[0]) == "it was changed"
        assert len(taken.data) <= 4 + len(body) - end.size
    else:
        assert ended in ([], [None])
        assert taken.data == b"head" + body
