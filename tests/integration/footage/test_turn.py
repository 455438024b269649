"""WebRTC through a relay and by no other way: coturn between Chromium and the server."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.player_pages import CHROMIUM, camera_page
from tests.support.ports import free_port
from tests.support.process import end
from tests.support.streamer import until

from .conftest import FilmStreamer

SECRET = "rel4y"
PICTURES = 50
CALL = """async ([address, isPublisher]) => {
  const peer = window.peer = new RTCPeerConnection({iceTransportPolicy: "relay"});
  if (isPublisher) {
    const media = await navigator.mediaDevices.getUserMedia({video: true});
    media.getTracks().forEach((track) => peer.addTransceiver(track, {direction: "sendonly"}));
  } else peer.addTransceiver("video", {direction: "recvonly"});
  const offer = await peer.createOffer();
  const answer = await fetch(address, {
    method: "POST", body: offer.sdp, headers: {"Content-Type": "application/sdp"},
  });
  // RFC 9725 4.6: who is let in is told of servers, which are used from then on.
  const link = answer.headers.get("Link");
  const said = (name) => link.match(`${name}="([^"]*)"`)[1];
  const server = {
    urls: link.match(/<([^>]+)>/)[1], username: said("username"), credential: said("credential"),
  };
  peer.setConfiguration({iceServers: [server], iceTransportPolicy: "relay"});
  const gathered = new Promise((done) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
  });
  await peer.setLocalDescription(offer);
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  await gathered;
  return peer.localDescription.sdp;
}"""
STATE = """async () => {
  const all = [...(await window.peer.getStats()).values()];
  const pair = all.find((one) => one.type === "candidate-pair" && one.state === "succeeded");
  const kind = (id) => all.find((one) => one.id === id)?.candidateType;
  const pictures = all.filter((one) => one.type.endsWith("bound-rtp") && one.kind === "video")
    .map((one) => one.framesDecoded ?? one.framesSent ?? 0);
  return {kind: kind(pair?.localCandidateId), pictures: Math.max(0, ...pictures)};
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(shutil.which("turnserver") is None, reason="no coturn: apt install coturn"),
]


@dataclass
class Relay:
    port: int
    log: Path


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    one = Relay(free_port(), tmp_path / "turn.log")
    with one.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file=stdout",
            "--verbose", f"--listening-port={one.port}", "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1", "--allow-loopback-peers", "--use-auth-secret",
            f"--static-auth-secret={SECRET}", "--realm=here",
            f"--pidfile={tmp_path / 'pid'}", f"--userdb={tmp_path / 'db'}",
            stdout=log, stderr=log,
        )  # fmt: skip
        try:

            async def listens() -> bool:
                return "listener opened" in one.log.read_text()

            await until(listens, "coturn listens")
            yield one
        finally:
            await end(process)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with camera_page() as opened:
        yield opened


@pytest.mark.parametrize("way", ["whep", "whip"])
async def test_a_relay_is_used(streamer: FilmStreamer, relay: Relay, page: Page, way: str) -> None:
    """The server tells of it, with credentials that it takes; pictures go through it alone."""
    streamer.write(
        f"ice_server turn:127.0.0.1:{relay.port} secret={SECRET};\n"
        "stream film { input fake://fake; }\nstream cam { input publish://; }\n"
    )
    await streamer.serve()
    await streamer.running("film")
    name = "cam" if way == "whip" else "film"
    await page.goto(f"{streamer.base}/film/embed.html?proto=hls")
    offer = await page.evaluate(CALL, [f"{streamer.base}/{name}/{way}", way == "whip"])
    assert " typ relay" in offer
    assert " typ host" not in offer

    async def seen() -> dict[str, Any]:
        state: dict[str, Any] = await page.evaluate(STATE)
        return state if state["pictures"] >= PICTURES else {}

    state = await until(seen, f"{PICTURES} pictures went through the relay", 40)
    assert state["kind"] == "relay"
    if way == "whip":
        await streamer.running("cam")
    assert "session" in relay.log.read_text()
    assert SECRET not in streamer.log
