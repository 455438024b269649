"""Publishing to an RTSP server: URLs, the order of requests, login, channels, refusals."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from media_streamer import digest
from media_streamer.protocols.rtsp.client import Refused, RtspUrl
from media_streamer.protocols.rtsp.message import (
    MessageReader,
    Request,
    write_interleaved,
    write_response,
)
from media_streamer.protocols.rtsp.publisher import RtspPublisher

Answer = Callable[[Request], bytes]


class Server:
    """Answers requests as told, and keeps them."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.heard = asyncio.Event()
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = MessageReader()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for message in messages.feed(data):
                    if isinstance(message, Request):
                        self.requests.append(message)
                        self.heard.set()
                        writer.write(self.answer(message))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.ended.set()

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]


@contextlib.asynccontextmanager
async def publishing(
    answer: Answer, login: str = ""
) -> AsyncIterator[tuple[RtspPublisher, Server]]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    url = RtspUrl.of(f"rtsp://{login}127.0.0.1:{port}/app/key")
    _, publisher = await asyncio.get_running_loop().create_connection(
        lambda: RtspPublisher(url), url.host, url.port
    )
    try:
        async with asyncio.timeout(10):
            yield publisher, server
    finally:
        publisher.close()
        publisher.transport.abort()
        listening.close()
        await asyncio.wait_for(server.ended.wait(), 10)


def agree(request: Request) -> bytes:
    headers = {"Session": "s1;timeout=2"}
    if request.method == "SETUP":
        headers["Transport"] = request.headers.text("transport")
    return write_response(200, request.cseq, headers)


async def test_the_way_to_media() -> None:
    async with publishing(agree) as (publisher, server):
        channels = await publisher.publish(b"v=0\r\n", ["trackID=0", "trackID=1"])
        assert channels == {0: (0, 1), 1: (2, 3)}
        assert server.methods == ["ANNOUNCE", "SETUP", "SETUP", "RECORD"]
        announce, first, _, record = server.requests
        assert announce.body == b"v=0\r\n"
        assert announce.url.endswith("/app/key")
        assert first.url.endswith("/app/key/trackID=0")
        assert "mode=record" in first.headers.text("transport")
        assert record.headers.text("session") == "s1"
        server.heard.clear()
        await server.heard.wait()  # half of its time-out later
        assert server.methods[-1] == "OPTIONS"
        server.heard.clear()
        publisher.close()
        await server.heard.wait()
        assert server.methods[-1] == "TEARDOWN"
        assert "closed" in await publisher.lost


async def test_packets_of_the_receiver_are_passed_over() -> None:
    def answer(request: Request) -> bytes:
        return write_interleaved(1, b"rtcp") + agree(request)

    async with publishing(answer) as (publisher, _):
        assert await publisher.publish(b"v=0\r\n", ["a"]) == {0: (0, 1)}


async def test_channels_of_the_servers_choice() -> None:
    def answer(request: Request) -> bytes:
        headers = {"Session": "s", "Transport": "RTP/AVP/TCP;unicast;interleaved=6-7"}
        return write_response(200, request.cseq, headers)

    async with publishing(answer) as (publisher, _):
        assert await publisher.publish(b"v=0\r\n", ["a"]) == {0: (6, 7)}


@pytest.mark.parametrize("challenge", ["Basic", "Digest"])
async def test_login_when_asked_for(challenge: str) -> None:
    challenger = digest.Challenger()
    header = challenger.basic if challenge == "Basic" else challenger.digest()

    def answer(request: Request) -> bytes:
        given = digest.parse(request.headers.text("authorization"))
        if given is None:
            return write_response(401, request.cseq, {"WWW-Authenticate": header})
        assert given.user == "me"
        if given.scheme == "basic":
            assert given.password == "pass"
        else:
            fields = given.fields
            wanted = digest.response(
                "me", fields["realm"], "pass", request.method, fields["uri"], fields
            )
            assert fields["response"] == wanted
        return agree(request)

    async with publishing(answer, "me:pass@") as (publisher, server):
        await publisher.publish(b"v=0\r\n", ["a"])
        assert server.methods == ["ANNOUNCE", "ANNOUNCE", "SETUP", "RECORD"]


@pytest.mark.parametrize(
    ("answer", "words", "status"),
    [
        (lambda r: write_response(403, r.cseq, reason="Not you"), "403 Not you", 403),
        (lambda r: write_response(401, r.cseq), "401", 401),
        (lambda r: write_response(302, r.cseq, {"Location": "rtsp://x/"}), "302", 302),
        (lambda _: b"HTTP/1.0 hello\r\n\r\n", "does not speak RTSP", 0),
        (lambda r: write_response(200, r.cseq), "within the connection", 0),
    ],
    ids=["refused", "login", "elsewhere", "garbage", "no-transport"],
)
async def test_refusals_in_the_servers_words(answer: Answer, words: str, status: int) -> None:
    async with publishing(answer) as (publisher, _):
        with pytest.raises(Refused, match=words) as refused:
            await publisher.publish(b"v=0\r\n", ["a"])
        assert refused.value.status == status
