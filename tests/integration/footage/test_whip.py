"""Publishing by WHIP with aiortc; what is published is watched; refusals in words."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from aiortc import (
    AudioStreamTrack,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)

from tests.support.ports import free_port
from tests.support.streamer import ffprobe, until
from tests.support.webrtc_offers import browser

from .conftest import FilmStreamer
from .test_webrtc import Watcher

SDP = {"Content-Type": "application/sdp"}
SECONDS = 40


class Picture(VideoStreamTrack):
    """A small grey picture that gets lighter."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        level = pts // 3000 % 200 + 20
        frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), level, np.uint8))
        frame.pts, frame.time_base = pts, time_base
        return frame


class Camera:
    """A peer that sends."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.peer = RTCPeerConnection()
        self.location = ""
        self.change: Callable[[str], str] = str
        """What becomes of the server's answer on its way."""
        self._session = session

    async def publish(self, url: str, *, codec: str = "H264", **headers: str) -> int:
        """Status of the answer; sends if it is 201."""
        video = self.peer.addTransceiver(Picture(), "sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([one for one in codecs if one.mimeType == f"video/{codec}"])
        self.peer.addTransceiver(AudioStreamTrack(), "sendonly")
        await self.peer.setLocalDescription(await self.peer.createOffer())
        offer = self.peer.localDescription.sdp
        async with self._session.post(url, data=offer, headers=SDP | headers) as answer:
            text = await answer.text()
            if answer.status == 201:
                self.location = answer.headers["Location"]
                description = RTCSessionDescription(self.change(text), "answer")
                await self.peer.setRemoteDescription(description)
            return answer.status


@pytest.fixture
async def camera(streamer: FilmStreamer) -> AsyncIterator[Camera]:
    one = Camera(streamer.session)
    yield one
    await one.peer.close()


@pytest.fixture
async def whip(streamer: FilmStreamer) -> FilmStreamer:
    streamer.write(
        f"rtsp 127.0.0.1:{free_port()};\n"
        "stream live { input publish://; segment_duration 1; }\n"
        "stream shut { input publish://; password secret; }\n"
        "stream test { input fake://fake; }\n"
    )
    await streamer.serve()
    return streamer


async def ask(
    streamer: FilmStreamer, name: str, body: str, **headers: str
) -> tuple[int, dict[str, Any]]:
    url = f"{streamer.base}/{name}/whip"
    async with streamer.session.post(url, data=body, headers=SDP | headers) as answer:
        if answer.status == 201:
            return 201, {**answer.headers}
        return answer.status, await answer.json(content_type="application/problem+json")


async def test_what_is_published_is_watched(whip: FilmStreamer, camera: Camera) -> None:
    assert await camera.publish(f"{whip.base}/live/whip") == 201
    await whip.running("live")
    status, problem = await ask(whip, "live", browser("sendonly"))
    assert (status, problem["error"]) == (409, "already_published")
    state = await whip.stream("live")
    tracks = state["stats"]["media_info"]["tracks"]
    assert sorted(track["codec"] for track in tracks) == ["h264", "opus"]

    async def segments() -> bool:
        async with whip.session.get(f"{whip.base}/live/index.fmp4.m3u8") as answer:
            master = await answer.text()
        media = [line for line in master.splitlines() if line and not line.startswith("#")]
        if answer.status != 200 or not media:
            return False
        async with whip.session.get(f"{whip.base}/live/{media[0]}") as answer:
            return (await answer.text()).count("#EXTINF") >= 3

    # aiortc makes a key frame when it is asked only: a segment shows that it was.
    await until(segments, "three segments", SECONDS)
    async with whip.session.delete(whip.base + camera.location) as answer:
        assert answer.status == 200

    async def over() -> bool:
        _, found = await whip.api("GET", "/sessions?proto=webrtc")
        return not found["sessions"]

    await until(over, "the publisher is gone")


async def test_vp8_is_carried_where_it_can_be(whip: FilmStreamer, camera: Camera) -> None:
    """By WebRTC, RTSP and fragmented MP4; MPEG-TS has the sound alone."""
    rtsp = int(re.search(r"^rtsp .*:(\d+);", whip.config.read_text(), re.MULTILINE)[1])  # type: ignore[index]
    assert await camera.publish(f"{whip.base}/live/whip", codec="VP8") == 201
    await whip.running("live")
    watcher = Watcher(whip.session)
    try:
        await watcher.watch(whip.base, "/live/whep")
        assert "VP8/90000" in watcher.peer.remoteDescription.sdp
        await watcher.sees("video", 10)
        await watcher.sees("audio", 10)
    finally:
        await watcher.close()
    assert watcher.frames["video"][-1].width == 160
    found = await asyncio.gather(
        *(
            ffprobe(url)
            for url in (
                f"rtsp://127.0.0.1:{rtsp}/live",
                f"{whip.base}/live/index.fmp4.m3u8",
                f"{whip.base}/live/mpegts",
            )
        )
    )
    assert found == [["opus", "vp8"], ["opus", "vp8"], ["opus"]]
    url = f"{whip.base}/live/mpegts?filter.tracks=v1"
    async with whip.session.get(url) as answer:
        refused = answer.status, await answer.text()
    assert refused == (406, "MPEG-TS can carry none of the stream's tracks: v1 (vp8)\n")


async def test_password_is_the_bearer(whip: FilmStreamer, camera: Camera) -> None:
    status, problem = await ask(whip, "shut", browser("sendonly"), Authorization="Bearer no")
    assert (status, problem["error"]) == (403, "wrong_password")
    assert await camera.publish(f"{whip.base}/shut/whip", Authorization="Bearer secret") == 201
    await whip.running("shut")


async def test_refusals_say_why(whip: FilmStreamer) -> None:
    status, problem = await ask(whip, "test", browser("sendonly"))
    assert (status, problem["error"]) == (403, "publish_not_allowed")
    status, _ = await ask(whip, "nope", browser("sendonly"))
    assert status == 404
    text = browser("sendonly").replace("H264", "H263").replace("AV1", "H263").replace("VP8", "H263")
    status, problem = await ask(whip, "live", text)
    assert (status, problem["error"]) == (406, "codec_not_offered")
    status, problem = await ask(whip, "live", browser("recvonly"))
    assert (status, problem["error"]) == (406, "codec_not_offered")
    status, problem = await ask(whip, "live", "hello")
    assert (status, problem["error"]) == (400, "bad_offer")
