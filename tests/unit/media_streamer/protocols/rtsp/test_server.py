"""Time-outs of connections and publishers, on a real socket with a hub that lets everybody in."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from media_streamer.egress.access import Access
from media_streamer.egress.context import Egress
from media_streamer.egress.hub import Hub
from media_streamer.egress.reading import Turns
from media_streamer.protocols.rtsp import server
from media_streamer.protocols.rtsp.connection import RtspTimes
from media_streamer.protocols.rtsp.message import write_interleaved
from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import write
from media_streamer.wire.control import AccessRequest
from media_streamer.wire.homes import make_home
from media_streamer.wire.media import PublishedFrame, Reception, TrackSetup

# One limit short, the other far: which of the two ends a connection does not hang on speed.
NO_REQUEST = RtspTimes(setup_seconds=0.05, publisher_idle_seconds=60, check_seconds=0.02)
SILENT = RtspTimes(setup_seconds=60, publisher_idle_seconds=0.3, check_seconds=0.02)
PATIENT = RtspTimes()
SDP = (
    "v=0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:sound\r\n"
    "m=audio 0 RTP/AVP 0\r\na=control:other\r\n"
)


class Feed:
    """Keeps what a publisher hands in."""

    on_key_frame: Callable[[], None]

    def __init__(self) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.stream = "cam"
        self.is_behind = False
        self.setups: list[TrackSetup] = []
        self.got: list[PublishedFrame] = []
        self.figures: Reception | None = None
        self.told = asyncio.Event()
        self.closed = asyncio.Event()

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        self.setups = tracks

    def frames(self, frames: list[PublishedFrame]) -> None:
        self.got += frames

    def reception(self, reception: Reception) -> None:
        self.figures = reception
        self.told.set()

    async def close(self) -> None:
        self.closed.set()


class Show:
    """A broadcast of a picture."""

    description = (
        b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=x-track:v1\r\n"
        b"a=control:trackID=0\r\n"
    )

    def __init__(self) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.wishes = 0
        self.wished = asyncio.Event()

    def attach(self, transport: object, access: Access) -> "Show":
        return self

    def detach(self, reason: str) -> None: ...

    def let_go(self) -> None: ...

    def request_key_frame(self) -> None:
        self.wishes += 1
        self.wished.set()


class OpenHub:
    """Lets everybody in."""

    runtime: Path

    def __init__(self) -> None:
        self.turns = Turns(0.01)
        self.feed: Feed | None = None
        self.published = asyncio.Event()

    async def access(self, request: AccessRequest) -> Access:
        return Access("1", request.name, Path(), 0, request)

    async def broadcast(self, access: Access, *_: object) -> Show:
        self.show = Show()
        return self.show

    def give_up(self, access: Access, reason: str) -> None: ...

    async def publish(self, access: Access, form: str) -> Feed:
        self.feed = Feed()
        self.published.set()
        return self.feed


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path) -> None:
    make_home(tmp_path, "egress", "0")
    OpenHub.runtime = tmp_path


class Client:
    """A publisher on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, method: str, path: str, head: str = "", body: str = "") -> str:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        request = f"{method} rtsp://h/cam{path} RTSP/1.0\r\nCSeq: 1\r\n{head}{length}\r\n{body}"
        self.writer.write(request.encode())
        async with asyncio.timeout(10):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def publish(self, transport: str) -> str:
        """The answer to SETUP."""
        kind = "Content-Type: application/sdp\r\n"
        assert "200" in await self.ask("ANNOUNCE", "", kind, SDP)
        answer = await self.ask("SETUP", "/sound", f"Transport: {transport}\r\n")
        assert "200" in await self.ask("RECORD", "")
        return answer


async def start(hub: OpenHub, times: RtspTimes) -> tuple[server.RtspServer, Client]:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    port = sock.getsockname()[1]
    running = await server.serve(Egress(cast(Hub, hub)), sock, times=times)
    return running, Client(*await asyncio.open_connection("127.0.0.1", port))


async def test_who_asks_nothing_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    """Without a line of the log: whoever connects would write them."""
    caplog.set_level(logging.DEBUG)
    running, client = await start(OpenHub(), NO_REQUEST)
    with closing(running):
        assert await asyncio.wait_for(client.reader.read(), 10) == b""
        client.writer.close()
    (line,) = [one for one in caplog.records if "neither PLAY nor RECORD" in one.getMessage()]
    assert line.levelno == logging.DEBUG


@pytest.mark.parametrize(
    "transport", ["RTP/AVP/TCP;interleaved=0-1;mode=record", "RTP/AVP;client_port=6000-6001"]
)
async def test_a_silent_publisher_is_let_go(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hub = OpenHub()
    running, client = await start(hub, SILENT)
    with closing(running):
        await client.publish(transport)
        assert await asyncio.wait_for(client.reader.read(), 10) == b""
        client.writer.close()
        assert hub.feed is not None
        await asyncio.wait_for(hub.feed.closed.wait(), 10)
    assert "the publisher sent nothing for" in caplog.text


async def test_packets_by_udp_become_frames_and_losses_are_told() -> None:
    hub = OpenHub()
    running, client = await start(hub, PATIENT)
    loop = asyncio.get_running_loop()
    with closing(running):
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.bind(("127.0.0.1", 0))
        own.setblocking(False)
        answer = await client.publish(f"RTP/AVP;client_port={own.getsockname()[1]}-1;mode=record")
        port = int(answer.partition("server_port=")[2].partition("-")[0])
        for number in (0, 1, 2, 4, 3, 7):  # 5 and 6 never come
            data = write(97, True, 65_533 + number, 960 * number, 9, bytes((number,)))
            await loop.sock_sendto(own, data, ("127.0.0.1", port))
        feed = hub.feed
        assert feed is not None
        await asyncio.wait_for(feed.told.wait(), 10)
        own.close()
        client.writer.close()
        await asyncio.wait_for(feed.closed.wait(), 10)
    assert [frame.data for frame in feed.got] == [bytes((n,)) for n in (0, 1, 2, 3, 4, 7)]
    assert feed.figures is not None
    assert (feed.figures.packets, feed.figures.lost) == (6, 2)
    (setup,) = feed.setups
    assert (setup.codec, setup.configuration[:8]) == ("opus", b"OpusHead")


async def test_a_client_that_leaves_while_it_is_asked_for_leaves_nothing() -> None:
    class Slow(OpenHub):
        gate: asyncio.Event

        async def publish(self, access: Access, form: str) -> Feed:
            self.gate.set()
            await asyncio.sleep(0.05)
            return await super().publish(access, form)

    hub = Slow()
    hub.gate = asyncio.Event()
    running, client = await start(hub, PATIENT)
    with closing(running):
        kind = f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n"
        client.writer.write(f"ANNOUNCE rtsp://h/cam RTSP/1.0\r\n{kind}\r\n{SDP}".encode())
        await asyncio.wait_for(hub.gate.wait(), 10)
        client.writer.transport.abort()
        async with asyncio.timeout(10):
            await hub.published.wait()
            assert hub.feed is not None
            await hub.feed.closed.wait()


PICTURE = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:picture\r\n"
INTERLEAVED = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"


async def test_a_publisher_is_asked_for_a_key_frame() -> None:
    hub = OpenHub()
    running, client = await start(hub, PATIENT)
    with closing(running):
        await client.ask("ANNOUNCE", "", "Content-Type: application/sdp\r\n", PICTURE)
        await client.ask("SETUP", "/picture", INTERLEAVED)
        await client.ask("RECORD", "")
        client.writer.write(write_interleaved(0, write(96, True, 1, 1, 9, b"\x41abc")))
        assert "200" in await client.ask("GET_PARAMETER", "")  # the packet was read before it
        assert hub.feed is not None
        hub.feed.on_key_frame()
        async with asyncio.timeout(10):
            head = await client.reader.readexactly(4)
            said = rtcp.parse(await client.reader.readexactly(int.from_bytes(head[2:])))
        assert rtcp.KeyFrameRequest(9) in said
        client.writer.close()
        await asyncio.wait_for(hub.feed.closed.wait(), 10)


async def test_a_players_wish_goes_upstream_now_and_then() -> None:
    hub = OpenHub()
    running, client = await start(hub, PATIENT)
    with closing(running):
        described = await client.ask("DESCRIBE", "")
        size = int(described.lower().partition("content-length: ")[2].partition("\r\n")[0])
        body = await asyncio.wait_for(client.reader.readexactly(size), 10)
        assert b"a=rtcp-fb:96 nack pli" in body
        await client.ask("SETUP", "/trackID=0", INTERLEAVED)
        await client.ask("PLAY", "")
        client.writer.write(write_interleaved(1, rtcp.receiver_report(7)))
        for _ in range(20):
            wish = rtcp.receiver_report(7) + rtcp.picture_loss(7, 9)
            client.writer.write(write_interleaved(1, wish))
        await asyncio.wait_for(hub.show.wished.wait(), 10)
        assert "200" in await client.ask("GET_PARAMETER", "")
        assert hub.show.wishes == 1
        client.writer.close()
