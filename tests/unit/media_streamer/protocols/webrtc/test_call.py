"""Calling another server: offer, answer, checks, media; and what is said when that fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiortc.sdp import SessionDescription
from media_streamer.outgoing.target import HttpError, Target
from media_streamer.protocols.webrtc import answer, call, offer, proposal, push
from media_streamer.protocols.webrtc.answer import Place
from media_streamer.protocols.webrtc.call import Call, CallError, target_of
from media_streamer.protocols.webrtc.connection import Credentials, PeerConnection
from media_streamer.protocols.webrtc.dtls import Identity
from media_streamer.protocols.webrtc.offer import Offer
from media_streamer.protocols.webrtc.play import Described
from media_streamer.protocols.webrtc.port import WebRtcPort
from media_streamer.protocols.webrtc.pull import WANTED
from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import write
from media_streamer.rtp.sdp import Media

from tests.support.webrtc_offers import FINGERPRINT, browser

SECONDS = 30
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
OURS = Credentials("abcd1234", "p" * 24)


class Recorder:
    """A handler that keeps what it hears."""

    connection: PeerConnection

    def __init__(self) -> None:
        self.connected, self.closed = asyncio.Event(), asyncio.Event()
        self.reason = ""
        self.rtp: asyncio.Queue[bytes] = asyncio.Queue()
        self.rtcp: asyncio.Queue[bytes] = asyncio.Queue()

    def on_connected(self) -> None:
        self.connected.set()

    def on_rtp(self, packet: bytes) -> None:
        self.rtp.put_nowait(packet)

    def on_rtcp(self, packet: bytes) -> None:
        self.rtcp.put_nowait(packet)

    def on_closed(self, reason: str) -> None:
        self.reason = reason
        self.closed.set()


class Station:
    """A server with one WHEP endpoint, ICE-lite as ours is."""

    def __init__(self) -> None:
        self.handler = Recorder()
        self.identity = Identity()
        self.port = WebRtcPort(call._own_socket())
        self.setup = "passive"
        self.asked: list[tuple[str, str]] = []
        """Method and Authorization."""
        self.serve: Serve = self.answer
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(app)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.headers.get("Authorization", "")))
        return await self.serve(request)

    def url(self, path: str = "film/whep", login: str = "") -> str:
        return f"whep://{login}127.0.0.1:{self.server.port}/{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            return web.Response()
        wanted = offer.parse(await request.text())
        local = Credentials.new(self.port.new_name())
        place = Place(
            local.ufrag,
            local.password,
            self.identity.fingerprint,
            self.setup,
            ["192.0.2.1", "127.0.0.1"],
            self.port.number,
        )
        streams = {
            index: answer.Stream(section.ordered()[0], "sendonly")
            for index, section in enumerate(wanted.sections)
        }
        fingerprint = wanted.transport.fingerprint
        is_client = self.setup == "active"
        self.handler.connection = PeerConnection(
            self.port, self.identity, local, fingerprint, self.handler, is_client=is_client
        )
        text = answer.write(wanted, streams, place, 1)
        return web.Response(status=201, text=text, headers={"Location": "/film/whep/session"})


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    one = Station()
    await one.server.start_server()
    yield one
    for connection in list(one.port._names.values()):
        connection.close("the test is over")
    one.port.close()
    await one.server.close()


def recorder(_: Offer) -> Recorder:
    return Recorder()


@pytest.mark.parametrize("setup", ["passive", "active"])
async def test_media_goes_both_ways_and_the_end_is_told(station: Station, setup: str) -> None:
    station.setup = setup
    made = Call(target_of(station.url(login="token@"), "whep"))
    async with asyncio.timeout(SECONDS):
        mine = await made.begin(WANTED, recorder)
        await mine.connected.wait()
        await station.handler.connected.wait()
        packet = write(96, True, 7, 7, 7, b"picture")
        station.handler.connection.send_rtp([packet])
        assert await mine.rtp.get() == packet
        report = rtcp.receiver_report(9)
        mine.connection.send_rtcp(report)
        assert await station.handler.rtcp.get() == report
        now = asyncio.get_running_loop().time()
        mine.connection.check(now + 25)
        assert mine.connection.is_open, "our checks keep the consent"
        await made.end()
        await station.handler.closed.wait()
    assert station.handler.reason == "the peer closed the connection"
    assert mine.reason == "the call ended"
    assert station.asked == [("POST", "Bearer token"), ("DELETE", "Bearer token")]


async def test_a_server_that_answers_no_check_is_given_up(station: Station) -> None:
    station.port.close()
    made = Call(target_of(station.url(), "whep"))
    mine = await made.begin(WANTED, recorder)
    mine.connection.check(asyncio.get_running_loop().time() + 60)
    await made.end()
    assert mine.reason == "not connected within 20 s: no packet by UDP or TCP"


def said(status: int, body: str, **headers: str) -> Serve:
    async def serve(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return serve


FAILURES = [
    (said(404, '{"title": "There is no stream"}'), "answers 404: There is no stream", 404),
    (said(403, '{"error": "no\\n way"}'), "answers 403: no way", 403),
    (said(500, "<html>"), "the server answers 500", 500),
    (said(201, "hello"), "cannot be used: the body is no SDP", 0),
    (said(201, "v=0\r\nm=audio 9 x 0\r\n"), "the answer has no valid ice-ufrag", 0),
    (said(201, "v=0\r\n" + "a=x\r\n" * 20_000), "too long", 0),
    (said(307, "", Location="/again"), "redirects in a loop", 0),
    (said(302, "", Location="file:///etc/passwd"), "not http", 0),
]


@pytest.mark.parametrize(("serve", "text", "status"), FAILURES)
async def test_failures_are_said(station: Station, serve: Serve, text: str, status: int) -> None:
    station.serve = serve
    made = Call(target_of(station.url(login="name:secret@"), "whep"))
    with pytest.raises(CallError, match=text) as failed:
        async with asyncio.timeout(SECONDS):
            await made.begin(WANTED, recorder)
    await made.end()
    assert failed.value.status == status
    assert "secret" not in str(failed.value)


async def test_a_login_does_not_follow_a_redirect(station: Station) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/film/whep":
            place = f"http://localhost:{station.server.port}/else"
            return web.Response(status=307, headers={"Location": place})
        return web.Response(status=404)

    station.serve = serve
    made = Call(target_of(station.url(login="name:secret@"), "whep"))
    with pytest.raises(CallError):
        await made.begin(WANTED, recorder)
    await made.end()
    (_, first), (_, second) = station.asked
    assert first.startswith("Basic ")
    assert second == ""


async def test_nobody_is_there() -> None:
    made = Call(Target.of("http://127.0.0.1:1/x"))
    with pytest.raises(CallError, match="connection refused"):
        await made.begin(WANTED, recorder)
    await made.end()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("whep://host/a/whep?token=x", ("http", "host", 80, "/a/whep?token=x")),
        ("wheps://host:8443/any", ("https", "host", 8443, "/any")),
        ("webrtc://host/a/b?x=1", ("http", "host", 80, "/a/b/whep?x=1")),
        ("webrtcs://host/a/whep", ("https", "host", 443, "/a/whep")),
    ],
)
def test_where_an_endpoint_is(url: str, place: tuple[object, ...]) -> None:
    found = target_of(url, "whep")
    assert (found.scheme, found.host, found.port, found.path) == place


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(HttpError):
        target_of("whep://:80", "whep")


def test_who_is_called_learns_that_we_show_nothing_ourselves() -> None:
    assert offer.parse(proposal.write(WANTED, OURS, FINGERPRINT)).unchanged
    sent = proposal.write([push.propose(track) for track in tracks()], OURS, FINGERPRINT)
    assert not offer.parse(sent).unchanged
    assert not offer.parse(browser()).unchanged


def test_the_offer_is_read_by_another_library() -> None:
    read = SessionDescription.parse(proposal.write(WANTED, OURS, FINGERPRINT))
    video, audio = read.media
    assert read.group[0].items == ["0", "1"]
    assert (video.direction, audio.direction) == ("recvonly", "recvonly")
    assert video.ice.usernameFragment == "abcd1234"
    assert [codec.name for codec in audio.rtp.codecs] == ["opus", "PCMU", "PCMA"]
    assert {codec.name for codec in video.rtp.codecs} == {"H264", "H265", "AV1", "VP9", "VP8"}


def tracks() -> list[Described]:
    h264 = Media("video", payload_type=96, encoding="H264", fmtp={"profile-level-id": "64001f"})
    opus = Media("audio", payload_type=97, encoding="OPUS", clock_rate=48_000, channels=2)
    return [
        Described(0, "v1", 1000, h264),
        Described(1, "v2", 1001, h264),
        Described(2, "a1", 2000, opus),
    ]


def test_what_is_pushed_is_what_the_server_takes() -> None:
    first = push.first_of_each_kind(tracks())
    assert [track.name for track in first] == ["v1", "a1"]
    text = proposal.write([push.propose(track) for track in first], OURS, FINGERPRINT)
    read = SessionDescription.parse(text)
    assert [one.direction for one in read.media] == ["sendonly", "sendonly"]
    assert [one.ssrc[0].ssrc for one in read.media] == [1000, 2000]
    wanted = offer.parse(text)
    place = Place("ours", "p" * 24, FINGERPRINT, "passive", ["192.0.2.1"], 8189)
    streams = {
        n: answer.Stream(one.ordered()[0], "recvonly") for n, one in enumerate(wanted.sections)
    }
    whole = offer.parse(answer.write(wanted, streams, place, 1), "answer")
    assert [(one.channel, one.payload_type) for one in push.accepted(whole, first)] == [
        (0, 96), (4, 97),
    ]  # fmt: skip
    assert whole.transport.candidates[0][1:] == ("192.0.2.1", 8189)
    no_sound = offer.parse(answer.write(wanted, {0: streams[0]}, place, 1), "answer")
    assert [one.kind for one in push.accepted(no_sound, first)] == ["video"]
    no_picture = offer.parse(answer.write(wanted, {1: streams[1]}, place, 1), "answer")
    with pytest.raises(CallError, match="does not take H264"):
        push.accepted(no_picture, first)
