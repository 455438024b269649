"""Publishing to a server: URLs, messages, and servers that refuse or misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import (
    COMMAND,
    DATA,
    VIDEO,
    ChunkReader,
    Message,
    write_message,
)
from media_streamer.protocols.rtmp.commands import read_command, write_command, write_status
from media_streamer.protocols.rtmp.handshake import Handshake
from media_streamer.protocols.rtmp.publisher import PublishUrl, Refused, RtmpPublisher
from media_streamer.protocols.rtmp.push import PushFraming, framing_for


@pytest.mark.parametrize(
    ("url", "application", "key"),
    [
        ("rtmp://h/app/key", "app", "key"),
        ("rtmp://h/app/instance/key", "app/instance", "key"),
        ("rtmp://h/app/a/b/c?token=1", "app/a", "b/c?token=1"),
        ("rtmp://h/key", "", "key"),
        ("rtmp://h//app//key", "app", "key"),
    ],
)
def test_urls(url: str, application: str, key: str) -> None:
    found = PublishUrl.of(url)
    assert (found.application, found.key, found.port, found.tls) == (application, key, 1935, False)
    assert "token" not in repr(found)


def test_addresses() -> None:
    assert PublishUrl.of("rtmps://[::1]/app/key").tc_url == "rtmps://[::1]:443/app"
    for url, words in (
        ("rtmp://h", "lacks the name"),
        ("rtmp:///app/key", "lacks the name"),
        ("rtmp://h:x/app/key", "no number"),
        ("rtmp://u:p@h/app/key", "login"),
    ):
        with pytest.raises(ValueError, match=words) as refused:
            PublishUrl.of(url)
        assert "u:p" not in str(refused.value)


def tag(kind: int, body: bytes, at: int = 0) -> bytes:
    head = bytes([kind]) + len(body).to_bytes(3) + at.to_bytes(3) + bytes(4)
    return head + body + (11 + len(body)).to_bytes(4)


def messages(chunks: bytes) -> list[Message]:
    reader = ChunkReader(1 << 20)
    return reader.feed(write_message(1, (65536).to_bytes(4), chunk_stream=2) + chunks)


@pytest.mark.parametrize("stream", [1, 7])
def test_metadata_is_what_encoders_send(stream: int) -> None:
    framing = framing_for(stream)()
    metadata = amf.encode("onMetaData", {"width": 320})
    header = b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + tag(DATA, metadata) + tag(VIDEO, b"\x17\0avc")
    data, video = messages(framing.header(header))
    assert amf.decode(data.payload) == ["@setDataFrame", "onMetaData", {"width": 320.0}]
    assert (video.payload, video.stream) == (b"\x17\0avc", stream)
    (frame,) = messages(framing.chunk(tag(VIDEO, b"\x27frame", 40), False))
    assert (frame.payload, frame.timestamp, frame.stream) == (b"\x27frame", 40, stream)


def test_pushes_share_their_bytes() -> None:
    assert framing_for(1) is PushFraming
    assert framing_for(5) is framing_for(5)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[RtmpPublisher]:
    """A client of a server that does what the test says."""

    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = PublishUrl.of(f"rtmp://127.0.0.1:{port}/app/key")
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: RtmpPublisher(url), "127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            yield client
    finally:
        client.close()
        client.transport.abort()
        await asyncio.wait_for(ended.wait(), 30)
        server.close()
        await server.wait_closed()


def answering(answers: dict[str, bytes]) -> Serve:
    """A server that answers each command so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handshake, chunks = Handshake(), ChunkReader()
        while data := await reader.read(65536):
            if not handshake.done:
                writer.write(handshake.feed(data))
                if not handshake.done:
                    continue
                data = handshake.rest()
            for message in chunks.feed(data):
                command = read_command(message) if message.kind == COMMAND else None
                if command is not None and command.name in answers:
                    writer.write(answers[command.name])

    return serve


CONNECTED = write_command("_result", 1, {}, {"code": "NetConnection.Connect.Success"})
CREATED = write_command("_result", 4, None, 7)
STARTED = write_status("NetStream.Publish.Start", "go", stream=7)
GOOD = {"connect": CONNECTED, "createStream": CREATED, "publish": STARTED}


async def test_a_server_lets_publish_and_later_ends_it() -> None:
    bye = write_status("NetStream.Publish.BadName", "kicked\nout", level="error", stream=7)
    async with connected(answering({**GOOD, "later": bye})) as client:
        assert await client.publish() == 7
        client.transport.write(write_command("later", 9, None))
        assert await client.lost == "the server ended it: NetStream.Publish.BadName: kicked out"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"connect": write_command("_error", 1, None, {"code": "No", "level": "error"})}, "No"),
        ({**GOOD, "createStream": write_command("_error", 4, None, {})}, "createStream"),
        ({**GOOD, "createStream": write_command("_result", 4, None, None)}, "without a stream"),
        ({**GOOD, "createStream": write_command("_result", 4, None, -1)}, "without a stream"),
        (
            {**GOOD, "publish": write_status("Bad", "in use", level="error", stream=7)},
            "publish: Bad: in use",
        ),
    ],
)
async def test_refusals_are_the_words_of_the_server(answers: dict[str, bytes], words: str) -> None:
    async with connected(answering(answers)) as client:
        with pytest.raises(Refused, match=words):
            await client.publish()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "first byte"),
        (b"\x03" + bytes(3072) + b"\xc2" + bytes(100), "breaks RTMP"),
        (b"\x03" + bytes(3072) + b"\x03" + bytes(3) + b"\xff\xff\xff\x14" + bytes(4), "breaks"),
        (b"", "closed"),
    ],
)
async def test_what_is_no_rtmp_ends_the_attempt(sent: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(sent)
        await writer.drain()

    async with connected(serve) as client:
        with pytest.raises(ConnectionError, match=words):
            await client.publish()
