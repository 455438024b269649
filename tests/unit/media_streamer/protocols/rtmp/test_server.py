"""Time-outs and bounds of connections, on a real socket with a hub that refuses everything."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_process.door import DoorServer
from media_streamer import budgets
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.hub import Hub
from media_streamer.protocols.rtmp import amf, server
from media_streamer.protocols.rtmp.chunks import COMMAND, write_message
from media_streamer.protocols.rtmp.connection import RtmpTimes
from media_streamer.wire.control import AccessRequest

# One limit short, the other far: which of the two ends a connection is no matter of the machine's
# speed. (With both short, a test process that stood still for 0.1 s between the client's connect
# and its first byte was closed for the handshake that it was about to send.)
NO_HANDSHAKE = RtmpTimes(handshake_seconds=0.05, setup_seconds=60, check_seconds=0.02)
NO_COMMAND = RtmpTimes(handshake_seconds=60, setup_seconds=0.05, check_seconds=0.02)
GREETING = b"\x03" + bytes(2 * 1536)
CONNECT = write_message(COMMAND, amf.encode("connect", 1, {"app": "live"}), chunk_bytes=128)


class NoStreams:
    """A hub without streams; `gate` lets its answers wait."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def access(self, request: AccessRequest) -> Access:
        self.asked.set()
        await self.gate.wait()
        raise AccessDenied(404, "stream_not_found", "No such stream")


@pytest.fixture
async def hub() -> NoStreams:
    return NoStreams()


async def listen(hub: NoStreams, times: RtmpTimes) -> tuple[DoorServer, int]:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return await server.serve(Egress(cast(Hub, hub)), sock, times=times), sock.getsockname()[1]


@pytest.fixture
async def port(hub: NoStreams) -> AsyncIterator[int]:
    running, number = await listen(hub, NO_COMMAND)
    async with running:
        yield number


async def talk(port: int, data: bytes) -> bytes:
    """Send `data`; what the server says until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(-1), 10)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("options", "data", "reason"),
    [
        (NO_HANDSHAKE, b"", "no handshake within"),
        (NO_HANDSHAKE, b"\x03" + bytes(1535), "no handshake within"),
        (NO_COMMAND, GREETING, "neither play nor publish within"),
        (NO_COMMAND, GREETING + CONNECT, "neither play nor publish within"),
    ],
)
async def test_silent_peers_are_closed(
    hub: NoStreams,
    caplog: pytest.LogCaptureFixture,
    options: RtmpTimes,
    data: bytes,
    reason: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    running, port = await listen(hub, options)
    async with running:
        await talk(port, data)
    assert reason in caplog.text


async def test_waiting_for_access_is_no_silence(port: int, hub: NoStreams) -> None:
    hub.gate.clear()
    play = write_message(COMMAND, amf.encode("play", 2, None, "x"), stream=1)
    answer = asyncio.create_task(talk(port, GREETING + CONNECT + play))
    await asyncio.wait_for(hub.asked.wait(), 5)
    asyncio.get_running_loop().call_later(4 * NO_COMMAND.setup_seconds, hub.gate.set)
    assert b"No such stream" in await answer


async def test_lines_of_refused_publishers_are_few(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An encoder that somebody publishes before tries again for ever, as may anybody."""
    caplog.set_level(logging.INFO)
    publish = write_message(COMMAND, amf.encode("publish", 2, None, "x"), stream=1)
    said = GREETING + CONNECT + publish
    answers = await asyncio.gather(*(talk(port, said) for _ in range(30)))
    assert all(b"NetStream.Publish.BadName" in answer for answer in answers)
    lines = [one for one in caplog.messages if "refused" in one]
    assert len(lines) == 1, lines
    assert "stream live/x: publish refused: 404 stream_not_found" in lines[0]


async def test_a_client_that_goes_while_access_is_decided(port: int, hub: NoStreams) -> None:
    hub.gate.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    publish = write_message(COMMAND, amf.encode("publish", 2, None, "x"), stream=1)
    writer.write(GREETING + CONNECT + publish)
    await asyncio.wait_for(hub.asked.wait(), 5)
    writer.transport.abort()
    hub.gate.set()
    assert await talk(port, GREETING) != b""
    del reader


async def test_who_does_not_read_its_answers_is_not_read(
    hub: NoStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers do not pile up, even of a peer that may send as much as it likes."""
    for name in ("RTMP_COST_PER_SECOND", "RTMP_COST_AT_ONCE"):
        monkeypatch.setattr(budgets, name, 10**9)
    calls = write_message(COMMAND, amf.encode("x" * 64, 2)) * 100
    loop = asyncio.get_running_loop()

    async def say_more_than_the_kernel_keeps(sock: socket.socket) -> None:
        for _ in range(0, 32 << 20, len(calls)):
            async with asyncio.timeout(2):
                await loop.sock_sendall(sock, calls)

    running, port = await listen(hub, RtmpTimes())
    async with running:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", port))
            await loop.sock_sendall(sock, GREETING + CONNECT)
            with pytest.raises(TimeoutError):
                await say_more_than_the_kernel_keeps(sock)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    connected=st.booleans(),
    parts=st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.builds(
                lambda name, rest: write_message(COMMAND, amf.encode(name, 1) + rest),
                st.sampled_from(
                    ["connect", "play", "publish", "createStream", "pause", "deleteStream", "x"]
                ),
                st.binary(max_size=60) | st.just(amf.encode({"app": "a"}, "x", True)),
            ),
            st.builds(
                lambda kind, data: write_message(kind, data, chunk_stream=2),
                st.integers(0, 23),
                st.binary(max_size=8),
            ),
        ),
        max_size=8,
    ),
)
def test_nothing_that_is_said_breaks_the_server(
    connected: bool, parts: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever comes behind the handshake, the connection ends and the log has no traceback."""

    async def go() -> None:
        running, port = await listen(NoStreams(), NO_COMMAND)
        async with running:
            try:
                await talk(port, GREETING + (CONNECT if connected else b"") + b"".join(parts))
            except ConnectionError:
                return  # closed before all was said

    caplog.clear()
    asyncio.run(go())
    assert not [record for record in caplog.records if record.exc_info]
