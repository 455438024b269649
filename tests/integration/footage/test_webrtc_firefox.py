"""WebRTC with Firefox: its camera is published, and watched on the player page; by AV1 and VP8,
for a Firefox that fetches nothing has no H.264 for WebRTC."""

import shutil
from pathlib import Path

import pytest

from tests.support import firefox
from tests.support.firefox import Page
from tests.support.streamer import until

from .conftest import FilmStreamer

SECONDS = 60
PUBLISH = """async (url) => {
  const peer = window.peer = new RTCPeerConnection();
  const camera = await navigator.mediaDevices.getUserMedia({
    audio: true, video: {width: 320, height: 240},
  });
  for (const track of camera.getTracks()) peer.addTransceiver(track, {direction: 'sendonly'});
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await fetch(url, {
    method: 'POST', body: peer.localDescription.sdp, headers: {'Content-Type': 'application/sdp'},
  });
  const sdp = await answer.text();
  if (answer.status !== 201) return sdp;
  await peer.setRemoteDescription({type: 'answer', sdp});
}"""
SHOWN = """() => {
  const video = document.querySelector('video');
  return [video?.videoWidth ?? 0, video?.currentTime ?? 0, document.body.innerText];
}"""


@pytest.mark.skipif(not shutil.which(firefox.PROGRAM), reason="no Firefox: apt install firefox-esr")
async def test_the_camera_of_firefox_is_published_and_watched(
    streamer: FilmStreamer, tmp_path: Path
) -> None:
    streamer.write(
        "stream camera { input publish://; }\nstream test { input fake://fake; }\n"
        "stream camera8 { input publish:// prefer_codec=vp8; }\n",
    )

    async def shows(page: Page) -> bool:
        width, seconds, _ = await page.run(SHOWN)
        return bool(width and seconds > 1)

    async def says(page: Page) -> bool:
        return "cannot decode H264" in (await page.run(SHOWN))[2]

    async with firefox.running(tmp_path) as browser:
        await streamer.serve()
        sender, receiver = await browser.page(), await browser.page()
        await sender.goto(f"{streamer.base}/test/embed.html?proto=webrtc")
        # What it cannot play it tells.
        await until(lambda: says(sender), "the codec is named", SECONDS)
        for name, codec in (("camera", "av1"), ("camera8", "vp8")):
            assert await sender.run(PUBLISH, f"{streamer.base}/{name}/whip") is None
            state = await streamer.running(name)
            tracks = state["stats"]["media_info"]["tracks"]
            assert {track["codec"] for track in tracks} == {codec, "opus"}
            await receiver.goto(f"{streamer.base}/{name}/embed.html?proto=webrtc")
            await until(lambda: shows(receiver), f"{name} is shown", SECONDS)
            await sender.run("() => window.peer.close()")
