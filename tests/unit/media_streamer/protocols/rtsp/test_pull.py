"""Sources by RTSP: ways of packets and back, redirects, loss, clocks, refusals in words."""

import asyncio
import io
import itertools
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from media_api.input import InputConfig
from media_streamer.media.inputs.base import InputError
from media_streamer.protocols.rtsp import pull
from media_streamer.protocols.rtsp.client import Refused, RtspUrl
from media_streamer.protocols.rtsp.message import Request, write_response
from media_streamer.rtp import packet as rtp_packet
from media_streamer.rtp import rtcp
from media_streamer.rtp.clock import ntp_time

from tests.support.certificates import make_expired
from tests.support.clips import footage
from tests.support.rtsp_camera import SDP, SECONDS, SSRC, Camera, until
from tests.support.rtsp_pull import Taken, error_of, pulling

STEP = 3600
"""Ticks between two pictures."""


async def shown(camera: Camera, taken: Taken, first: int = 0) -> int:
    """Pictures from the number `first` on, until some of them are taken; the next number."""
    await asyncio.wait_for(camera.playing.wait(), SECONDS)
    count = len(taken.frames)
    number = first
    while len(taken.frames) < count + 5:
        camera.picture(number, STEP * number, key=number % 5 == 0)
        number += 1
        assert number < first + 2000, taken.error
        await asyncio.sleep(0.01)
    return number


def by_udp(url: str) -> str:
    return url.replace("rtsp://", "rtsp-udp://")


async def test_within_the_connection() -> None:
    async with Camera() as camera, pulling(camera.url) as (source, taken):
        await shown(camera, taken)
        assert taken.is_connected
        assert [track.codec for track in taken.tracks] == ["h264"]
        setup = camera.requests[1]
        assert camera.methods[:3] == ["DESCRIBE", "SETUP", "PLAY"]
        assert setup.url.endswith("/live/trackID=0")
        assert "RTP/AVP/TCP" in setup.headers.text("transport")
        assert camera.requests[0].url.endswith("/live?channel=1")
        source.stop()
        assert await taken.error is None
        await until(lambda: "TEARDOWN" in camera.methods, "it says goodbye")


async def test_a_camera_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    make_expired(tmp_path, "camera")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "camera.crt", tmp_path / "camera.key")
    async with Camera(tls=context) as camera, pulling(camera.url) as (_source, taken):
        await shown(camera, taken)


@pytest.mark.parametrize(("refused", "way"), [("tcp", "udp"), ("udp", "tcp")])
async def test_the_servers_only_way(refused: str, way: str) -> None:
    async with Camera() as camera:
        camera.refused = {refused}
        url = camera.url if refused == "tcp" else by_udp(camera.url)
        async with pulling(url) as (_source, taken):
            await shown(camera, taken)
            assert camera._way == way
            assert camera.methods.count("SETUP") == 2
            if way == "udp":
                await until(lambda: camera.controls, "the way through a NAT is opened")


async def test_nothing_comes_by_udp() -> None:
    async with Camera() as camera:
        camera.mute = {"udp"}
        async with pulling(by_udp(camera.url)) as (_source, taken):
            await shown(camera, taken)
            assert camera._way == "tcp"
            assert camera.methods.count("PLAY") == 2


async def test_loss_and_disorder_by_udp() -> None:
    feedback = SDP + "a=rtcp-fb:96 nack pli\r\n"
    async with Camera(feedback) as camera, pulling(camera.url, rtp="udp") as (source, taken):
        base = await shown(camera, taken)
        await until(lambda: len(taken.frames) == base, "all that was sent is taken")
        taken.frames.clear()
        # A gap of 3, then two in the wrong order.
        for number in (0, 1, 5, 7, 6, 8, 9):
            camera.picture(base + number, STEP * (base + number), key=number == 0)
        # What is missing may belong to the picture behind it, which decoders would show damaged.
        stamps = [STEP * (base + number) for number in (0, 1, 6, 7, 8, 9)]
        await until(lambda: len(taken.frames) >= len(stamps), "what came is taken")
        dts = [dts for dts, _ in taken.frames if dts is not None]
        assert dts == sorted(dts)
        assert [b - a for a, b in itertools.pairwise(dts)] == [
            b - a for a, b in itertools.pairwise(stamps)
        ]
        await until(lambda: source.reception and source.reception.lost >= 3, "loss is counted")
        await until(
            lambda: any(
                isinstance(one, rtcp.KeyFrameRequest) and one.ssrc == SSRC
                for data in camera.controls for one in rtcp.parse(data)
            ),
            "the camera is asked for a key frame",
        )  # fmt: skip
        reports = [
            one for data in camera.controls for one in rtcp.parse(data)
            if isinstance(one, rtcp.ReceiverReport) and one.blocks
        ]  # fmt: skip
        assert reports
        assert reports[-1].blocks[0].ssrc == SSRC


async def test_a_camera_that_heeds_no_wishes_gets_none() -> None:
    async with Camera() as camera, pulling(camera.url) as (source, taken):
        await shown(camera, taken)
        await asyncio.sleep(0)
        source.request_key_frame()
        await until(lambda: camera.methods.count("OPTIONS"), "it lives on")
        found = [one for data in camera.controls for one in rtcp.parse(data)]
        assert not any(isinstance(one, rtcp.KeyFrameRequest) for one in found)


TRANSPORT = "m=video 0 RTP/AVP 33\r\na=control:trackID=0\r\n"
"""A transport stream in RTP."""


@pytest.fixture(scope="module")
def ts() -> bytes:
    """Two seconds of footage as a transport stream."""
    made = io.BytesIO()
    with av.open(str(footage())) as film, av.open(made, "w", format="mpegts") as out:
        streams = {one.index: out.add_stream_from_template(one) for one in film.streams.get()}
        for packet in film.demux():
            if packet.dts is not None and packet.dts * packet.time_base < 2:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    return made.getvalue()


async def carried(camera: Camera, taken: Taken, ts: bytes, *, turned: bool = False) -> None:
    """All of a transport stream, seven packets in each; `turned`: pairs change places."""
    await asyncio.wait_for(camera.playing.wait(), SECONDS)
    numbers = list(range(-(-len(ts) // 1316)))
    if turned:
        numbers[2:6] = numbers[3], numbers[2], numbers[5], numbers[4]
    for number in numbers:
        payload = ts[1316 * number : 1316 * (number + 1)]
        camera.send(0, rtp_packet.write(33, False, number, STEP * number, SSRC, payload))
        await asyncio.sleep(0)
    await until(lambda: len(taken.frames) > 30, "frames of it")


@pytest.mark.parametrize("by", [str, by_udp])
async def test_a_transport_stream_in_rtp(by: Callable[[str], str], ts: bytes) -> None:
    async with (
        Camera(TRANSPORT) as camera,
        pulling(by(camera.url), programs=[1]) as (source, taken),
    ):
        await carried(camera, taken, ts, turned=by is by_udp)
        assert taken.is_connected
        assert [track.codec for track in taken.tracks] == ["h264", "aac"]
        assert source.alive
        await until(lambda: source.reception and source.reception.packets, "it is counted")
        assert source.reception is not None
        assert source.reception.lost == 0
        camera.hang_up()
        assert "closed the connection" in await error_of(taken)
        await until(lambda: not source.alive, "the thread ends")
        assert sum(key for _, key in taken.frames) > 0


async def test_what_a_carried_stream_is_not() -> None:
    async with Camera(TRANSPORT) as camera, pulling(camera.url) as (source, taken):
        await asyncio.wait_for(camera.playing.wait(), SECONDS)
        for number in range(9):
            camera.send(0, rtp_packet.write(33, False, number, 0, SSRC, b"no packets" * 20))
        assert await error_of(taken) == "the source does not send MPEG-TS"
        assert not source.held_bytes
    async with Camera() as camera, pulling(camera.url, programs=[1]) as (_source, taken):
        assert await error_of(taken) == "programs: the source sends no transport stream"
    async with Camera(TRANSPORT) as camera, pulling(camera.url) as (source, taken):
        await asyncio.wait_for(camera.playing.wait(), SECONDS)
        source.stop()  # before anything has come
        assert await taken.error is None
        assert not source.alive


async def test_a_clock_that_starts_anew_goes_on() -> None:
    async with Camera() as camera, pulling(camera.url) as (_source, taken):
        await shown(camera, taken)
        for number in range(8):
            camera.picture(60_000 + number, 9 + STEP * number, key=number % 4 == 0, ssrc=77)
        count = len(taken.frames)
        await until(lambda: len(taken.frames) > count, "frames of the new clock")
        assert not taken.error.done()


async def test_time_stamps_wrap() -> None:
    async with Camera() as camera, pulling(camera.url) as (_source, taken):
        await asyncio.wait_for(camera.playing.wait(), SECONDS)
        for number in range(20):
            at = ((1 << 32) - 10 * STEP + STEP * number) & 0xFFFFFFFF
            camera.picture((0xFFFA + number) & 0xFFFF, at, key=number % 5 == 0)
        await until(lambda: len(taken.frames) >= 20, "all frames")
        dts = [dts for dts, _ in taken.frames if dts is not None]
        assert {b - a for a, b in itertools.pairwise(dts)} == {STEP}


async def test_the_wall_clock_of_the_camera() -> None:
    async with Camera() as camera, pulling(camera.url, wait_rtcp=True) as (_source, taken):
        await asyncio.wait_for(camera.playing.wait(), SECONDS)
        for number in range(3):
            camera.picture(number, STEP * number, key=True)
        report = rtcp.sender_report(SSRC, ntp_time(time.time() - 1.5), STEP * 3, 3, 100)
        camera.send(0, report, control=True)
        await shown(camera, taken, 3)
        assert taken.ages
        assert 1.3 < taken.ages[0] < 3.5, "of the first frame"


async def test_an_unset_clock_is_not_believed() -> None:
    async with Camera() as camera, pulling(camera.url) as (_source, taken):
        await asyncio.wait_for(camera.playing.wait(), SECONDS)
        camera.send(0, rtcp.sender_report(SSRC, ntp_time(86_400.0), 0, 3, 100), control=True)
        await shown(camera, taken)
        assert set(taken.ages) == {0.0}


async def test_the_end_of_what_ends() -> None:
    async with Camera() as camera, pulling(camera.url) as (_source, taken):
        await shown(camera, taken)
        camera.send(0, rtcp.goodbye(SSRC), control=True)
        assert await error_of(taken) == "the source ended"


async def test_silence_and_a_server_that_hangs_up() -> None:
    async with Camera() as camera:
        async with pulling(camera.url, seconds=2) as (_source, taken):
            await asyncio.wait_for(camera.playing.wait(), SECONDS)
            assert await error_of(taken) == "the source sends nothing"
        camera.playing.clear()
        async with pulling(camera.url) as (_source, taken):
            await shown(camera, taken)
            camera.hang_up()
            assert "closed the connection" in await error_of(taken)
        camera.answer = lambda _: b"\r\n"
        async with pulling(camera.url, seconds=0.5) as (_source, taken):
            assert "no answer within 0.5 s" in await error_of(taken)


def redirecting(location: str) -> Callable[[Request], bytes]:
    return lambda request: write_response(302, request.cseq, {"Location": location})


async def test_a_redirect_is_followed() -> None:
    async with Camera() as camera, Camera() as second:
        camera.answer = redirecting(second.url)
        url = camera.url.replace("//", "//me:secret@")
        async with pulling(url) as (_source, taken):
            await shown(second, taken)
        assert all("authorization" not in request.headers for request in second.requests)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("rtsp://169.254.169.254/latest", "169.254.169.254 is a link-local or metadata address"),
        ("rtsp://[::ffff:169.254.169.254]/", "link-local or metadata address"),
        ("http://127.0.0.1/", "redirects to a http address, not rtsp"),
        ("file:///etc/passwd", "redirects to a file address"),
        ("rtsp://127.0.0.1:x/", "cannot be read"),
    ],
)
async def test_where_no_redirect_leads(location: str, words: str) -> None:
    async with Camera() as camera:
        camera.answer = redirecting(location)
        async with pulling(camera.url) as (_source, taken):
            assert words in await error_of(taken)


async def test_redirects_in_a_loop() -> None:
    async with Camera() as camera:
        camera.answer = redirecting(camera.url)
        async with pulling(camera.url) as (_source, taken):
            assert "redirects more than 5 times" in await error_of(taken)
        assert camera.methods == ["DESCRIBE"] * (pull.MAX_REDIRECTS + 1)


def test_logins_stay_with_their_server() -> None:
    url = RtspUrl.of("rtsp://me:secret@cam/a")
    assert pull.redirected(url, "rtsp://cam/b").password == "secret"
    assert pull.redirected(url, "rtsp://me2:x@cam/b").password == "x"
    assert not pull.redirected(url, "rtsp://cam:8554/b").has_login
    assert not pull.redirected(url, "rtsps://cam/b").has_login
    with pytest.raises(Refused):
        pull.redirected(url, "gopher://cam/")


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_refusals_are_counted_and_said(status: int) -> None:
    async with Camera() as camera:
        camera.answer = lambda request: write_response(status, request.cseq)
        async with pulling(camera.url.replace("//", "//me:secret@")) as (source, taken):
            words = await error_of(taken)
            assert f"the server answers {status}" in words
            assert "secret" not in words
            assert sum(source.faults.values()) == 1


async def test_a_source_of_nothing_known() -> None:
    async with (
        Camera("m=video 0 RTP/AVP 26\r\n") as camera,
        pulling(camera.url) as (_source, taken),
    ):
        assert await error_of(taken) == "the source sends no codec that is known here: JPEG"


@pytest.mark.parametrize("url", ["rtsp://h:x/", "rtsp:///a"])
def test_what_cannot_be_opened(url: str) -> None:
    with pytest.raises(InputError):
        pull.url_of(InputConfig.of(url))


def test_ways() -> None:
    assert pull.ways_of(InputConfig.of("rtsp2://h/a")) == ("tcp", "udp")
    assert pull.ways_of(InputConfig.of("rtsp-udp://h/a")) == ("udp", "tcp")
    config = InputConfig.model_validate({"url": "rtsps://h/a", "rtp": "udp"})
    assert pull.ways_of(config) == ("udp", "tcp")
    assert pull.url_of(config).tls
