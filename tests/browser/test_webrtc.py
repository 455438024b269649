"""WebRTC with a browser: the player page watches by WHEP, a camera publishes by WHIP."""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, async_playwright

from tests.support.bottleneck import bottleneck
from tests.support.chromium import ARGUMENTS, CHROMIUM
from tests.support.ports import free_port

from .appliance import Appliance, until
from .conftest import Ui
from .picture import assert_test_picture, watch

FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PUBLISH = """
async ([url, codec]) => {
  const wanted = {video: {width: 320, height: 180, frameRate: 15}, audio: true};
  const media = await navigator.mediaDevices.getUserMedia(wanted);
  const peer = window.peer = new RTCPeerConnection();
  for (const track of media.getTracks()) {
    const sender = peer.addTransceiver(track, {direction: "sendonly"});
    if (codec && track.kind === "video") sender.setCodecPreferences(
      RTCRtpSender.getCapabilities("video").codecs.filter((one) => one.mimeType === codec));
  }
  const offer = await peer.createOffer();
  await peer.setLocalDescription(offer);
  const headers = {"Content-Type": "application/sdp"};
  const answer = await fetch(url, {method: "POST", headers, body: offer.sdp});
  const text = await answer.text();
  if (answer.status !== 201) return `${answer.status} ${text}`;
  await peer.setRemoteDescription({type: "answer", sdp: text});
  return "";
}
"""


async def test_player_page_plays_by_webrtc(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true&proto=webrtc")
    assert_test_picture(await watch(ui.page, "#video"))
    await ui.page.wait_for_function("document.getElementById('video').srcObject !== null")
    tracks = "document.getElementById('video').srcObject.getTracks().map((t) => t.kind).sort()"
    assert await ui.page.evaluate(tracks) == ["audio", "video"]


async def without_udp(route: Route) -> None:
    """The answer as a peer sees it whose way lets no UDP through."""
    response = await route.fetch()
    lines = (await response.text()).splitlines(keepends=True)
    kept = "".join(line for line in lines if " udp " not in line)
    assert "tcptype passive" in kept, kept
    await route.fulfill(response=response, body=kept)


async def test_player_page_plays_without_udp(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.page.route("**/demo/whep", without_udp)
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true&proto=webrtc")
    assert_test_picture(await watch(ui.page, "#video"))
    await ui.page.wait_for_function("document.getElementById('video').srcObject !== null")


LADDER = [
    "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-t", "8", "-map", "0:v", "-map", "0:v",
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25",
    "-sc_threshold", "0", "-b:v:0", "2M", "-minrate:v:0", "2M", "-maxrate:v:0", "2M",
    "-bufsize:v:0", "1M", "-filter:v:1", "scale=320:180", "-b:v:1", "200k",
]  # fmt: skip
NARROW, WIDE = 700_000, 20_000_000


@pytest_asyncio.fixture(loop_scope="session")
async def ladder(appliance: Appliance, tmp_path: Path) -> AsyncIterator[str]:
    """A stream with two renditions."""
    clip = tmp_path / "ladder.ts"
    made = await asyncio.create_subprocess_exec("ffmpeg", "-v", "error", *LADDER, str(clip))
    assert await asyncio.wait_for(made.wait(), 60) == 0
    await appliance.api("PUT", "/streams/ladder", {"inputs": [{"url": "publish://"}]})

    async def known() -> bool:  # a busy Central answers before the stream is placed
        answer = await appliance.streamer_api("GET", "/streams?name=ladder")
        return bool(answer["streams"])

    await until(known, "the streamer has the stream", 60)
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-map", "0",
        "-c", "copy", "-f", "mpegts", f"{appliance.streamer_url}ladder/mpegts",
        stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await appliance.running("ladder")
    yield "ladder"
    process.kill()
    await asyncio.wait_for(process.wait(), 30)


async def test_a_narrow_path_gets_the_smaller_picture(
    ui: Ui, appliance: Appliance, ladder: str
) -> None:
    """And the larger one again when the path has become wide."""
    async with bottleneck(NARROW) as path:

        async def through(route: Route) -> None:
            response = await route.fetch()
            text = await response.text()
            found = re.search(r" udp \d+ 127\.0\.0\.1 (\d+) ", text)
            assert found is not None, text
            path.server = ("127.0.0.1", int(found[1]))
            lines = [one for one in text.splitlines(keepends=True) if " tcp " not in one]
            await route.fulfill(
                response=response, body="".join(lines).replace(found[1], str(path.port))
            )

        async def session() -> dict[str, Any]:
            found = await appliance.streamer_api("GET", f"/sessions?name={ladder}&proto=webrtc")
            assert isinstance(found, dict)
            return dict(found["sessions"][-1])

        async def is_sent(track: str) -> bool:
            return bool((await session()).get("track") == track)

        await ui.page.route(f"**/{ladder}/whep", through)
        await ui.page.goto(f"{appliance.streamer_url}{ladder}/embed.html?mute=true&proto=webrtc")
        width = "() => document.getElementById('video').videoWidth === {}"
        await ui.page.wait_for_function(width.format(320), timeout=60_000, polling=200)
        await until(lambda: is_sent("v2"), "the session says it", 30)
        path.bit_rate = WIDE
        await ui.page.wait_for_function(width.format(640), timeout=60_000, polling=200)
        await until(lambda: is_sent("v1"), "the session says it", 30)
        assert (await session())["track_switches"] >= 2


MAY_SEND_MORE = """
async () => [...(await peer.getStats()).values()].some((one) =>
  one.type === "candidate-pair" && one.availableOutgoingBitrate > 600_000)
"""
RELAY_ONLY = """
const Native = RTCPeerConnection;
globalThis.RTCPeerConnection = class extends Native {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: "relay" });
  }
};
"""
SECRET = 'shared "with" coturn'


@pytest_asyncio.fixture(loop_scope="session")
async def turn(tmp_path: Path) -> AsyncIterator[int]:
    """Port of a TURN server that makes credentials of a secret."""
    port = free_port(socket.SOCK_DGRAM)
    process = await asyncio.create_subprocess_exec(
        "turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers",
        "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", str(port),
        "--realm", "test", "--lt-cred-mech", "--use-auth-secret", "--static-auth-secret", SECRET,
        "--relay-threads", "1", "--userdb", str(tmp_path / "users"),
        "--pidfile", str(tmp_path / "pid"), "--log-file", str(tmp_path / "turn.log"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    yield port
    process.terminate()
    await asyncio.wait_for(process.wait(), 30)


@pytest.mark.skipif(shutil.which("turnserver") is None, reason="coturn is not installed")
async def test_player_page_plays_by_a_turn_server(ui: Ui, appliance: Appliance, turn: int) -> None:
    await appliance.running("demo")
    server = {"url": f"turn:127.0.0.1:{turn}", "secret": SECRET}
    await appliance.streamer_api("PUT", "/config", {"ice_servers": [server]})
    try:
        await ui.page.add_init_script(RELAY_ONLY)
        await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true&proto=webrtc")
        assert_test_picture(await watch(ui.page, "#video"))
        await ui.page.wait_for_function("document.getElementById('video').srcObject !== null")
    finally:
        await appliance.streamer_api("PUT", "/config", {"ice_servers": None})


async def test_camera_is_published_and_watched(ui: Ui, appliance: Appliance) -> None:
    """What Chromium prefers, and VP9, which is played by fragments as well."""
    for name in ("camera", "camera9"):
        await appliance.api("PUT", f"/streams/{name}", {"inputs": [{"url": "publish://"}]})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *FAKE_CAMERA]
        )
        try:
            page: Page = await browser.new_page()
            await page.goto(f"{appliance.streamer_url}demo/embed.html?autoplay=false")
            problem = await page.evaluate(PUBLISH, [f"{appliance.streamer_url}camera/whip", None])
            assert not problem
            await appliance.running("camera")
            await ui.page.goto(f"{appliance.streamer_url}camera/embed.html?mute=true&proto=webrtc")
            seen = await watch(ui.page, "#video")
            assert len(set(seen.means)) > 1, "the picture does not move"
            assert min(seen.means) > 0, "not black"
            # It begins with 300 kb/s: our feedback lets it find out that the path carries more.
            await page.wait_for_function(MAY_SEND_MORE, timeout=60_000, polling=500)
            await page.evaluate("peer.close()")
            problem = await page.evaluate(
                PUBLISH, [f"{appliance.streamer_url}camera9/whip", "video/VP9"]
            )
            assert not problem
            await appliance.running("camera9")
            for proto in ("webrtc", "mse"):
                url = f"{appliance.streamer_url}camera9/embed.html?mute=true&proto={proto}"
                await ui.page.goto(url)
                seen = await watch(ui.page, "#video")
                assert len(set(seen.means)) > 1, f"{proto}: the picture does not move"
        finally:
            await browser.close()
