"""Spatial layers of VP9: Chromium publishes two, each way out shows the larger picture."""

import asyncio
from collections.abc import AsyncIterator

import av
import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.picture import watch
from tests.support.chromium import ARGUMENTS, CHROMIUM
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer

WIDTH, HEIGHT = 640, 480
PICTURES, MOST = 50, 500
CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
PUBLISH = """async ([url, width, height]) => {
  const peer = window.peer = new RTCPeerConnection();
  const camera = await navigator.mediaDevices.getUserMedia({video: {width, height}});
  const sender = peer.addTransceiver(camera.getVideoTracks()[0], {
    direction: "sendonly",
    sendEncodings: [{scalabilityMode: "L2T2", maxBitrate: 1_500_000}],
  });
  const codecs = RTCRtpSender.getCapabilities("video").codecs;
  sender.setCodecPreferences(codecs.filter((one) => one.mimeType === "video/VP9"));
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await fetch(url, {
    method: "POST", body: peer.localDescription.sdp, headers: {"Content-Type": "application/sdp"},
  });
  const sdp = await answer.text();
  if (answer.status !== 201) return sdp;
  await peer.setRemoteDescription({type: "answer", sdp});
}"""
LAYERED = """async () => [...(await peer.getStats()).values()].some((one) =>
  one.type === "outbound-rtp" && one.scalabilityMode === "L2T2" && one.frameWidth === 640)"""
LARGE = f"() => document.getElementById('video').videoWidth === {WIDTH}"

pytestmark = [
    pytest.mark.long,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *CAMERA]
        )
        yield browser
        await browser.close()


def large_in_turn(url: str) -> int:
    """How many pictures FFmpeg shows in the larger size one after the other: the first ones may be
    of a time when the publisher had not found room for them."""
    count = 0
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=30) as container:
        for frame, _ in zip(container.decode(video=0), range(MOST), strict=False):
            count = count + 1 if frame.width == WIDTH else 0
            if count == PICTURES:
                break
    return count


async def test_the_larger_picture_is_shown(streamer: FilmStreamer, browser: Browser) -> None:
    port = free_port()
    streamer.write(f"rtsp 127.0.0.1:{port};\nstream layers {{ input publish://; }}\n")
    await streamer.serve()
    sender = await (await browser.new_context(bypass_csp=True)).new_page()
    await sender.goto(f"{streamer.base}/layers/embed.html?autoplay=false")
    url = f"{streamer.base}/layers/whip"
    assert await sender.evaluate(PUBLISH, [url, WIDTH, HEIGHT]) is None
    await streamer.running("layers")
    await sender.wait_for_function(LAYERED, timeout=60_000, polling=500)

    async def is_large() -> bool:
        tracks = (await streamer.stream("layers"))["stats"]["media_info"]["tracks"]
        return bool(tracks and tracks[0]["width"] == WIDTH)

    await until(is_large, "the stream has the larger picture", 60)
    receiver = await browser.new_page()
    for proto in ("webrtc", "mse"):
        await receiver.goto(f"{streamer.base}/layers/embed.html?mute=true&proto={proto}")
        await receiver.wait_for_function(LARGE, timeout=60_000, polling=200)
        seen = await watch(receiver, "#video")
        assert len(set(seen.means)) > 1, f"{proto}: the picture does not move"
    for where in (f"rtsp://127.0.0.1:{port}/layers", f"{streamer.base}/layers/index.fmp4.m3u8"):
        assert await asyncio.to_thread(large_in_turn, where) == PICTURES, where
