"""WebRTC with a browser: the player page watches by WHEP, a camera publishes by WHIP."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, async_playwright

from tests.support.ports import free_port

from .appliance import Appliance
from .conftest import ARGUMENTS, CHROMIUM, Ui
from .picture import assert_test_picture, watch

FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PUBLISH = """
async (url) => {
  const wanted = {video: {width: 320, height: 180, frameRate: 15}, audio: true};
  const media = await navigator.mediaDevices.getUserMedia(wanted);
  const peer = window.peer = new RTCPeerConnection();
  for (const track of media.getTracks()) peer.addTransceiver(track, {direction: "sendonly"});
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


@pytest.fixture
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
    await appliance.api("PUT", "/streams/camera", {"inputs": [{"url": "publish://"}]})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *FAKE_CAMERA]
        )
        try:
            page: Page = await browser.new_page()
            await page.goto(f"{appliance.streamer_url}demo/embed.html?autoplay=false")
            problem = await page.evaluate(PUBLISH, f"{appliance.streamer_url}camera/whip")
            assert not problem
            await appliance.running("camera")
            await ui.page.goto(f"{appliance.streamer_url}camera/embed.html?mute=true&proto=webrtc")
            seen = await watch(ui.page, "#video")
            assert len(set(seen.means)) > 1, "the picture does not move"
            assert min(seen.means) > 0, "not black"
            # It begins with 300 kb/s: our feedback lets it find out that the path carries more.
            await page.wait_for_function(MAY_SEND_MORE, timeout=60_000, polling=500)
        finally:
            await browser.close()
