"""ICE restart (RFC 9725, 4.3.3) with Chromium: another name and password, the same session."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.player_pages import CHROMIUM, camera_page
from tests.support.streamer import until

from .conftest import FilmStreamer

PICTURES = 25
CALL = """async ([address, isPublisher]) => {
  const peer = window.peer = new RTCPeerConnection();
  if (isPublisher) {
    const media = await navigator.mediaDevices.getUserMedia({video: true});
    media.getTracks().forEach((track) => peer.addTransceiver(track, {direction: "sendonly"}));
  } else peer.addTransceiver("video", {direction: "recvonly"});
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await fetch(address, {
    method: "POST", body: peer.localDescription.sdp, headers: {"Content-Type": "application/sdp"},
  });
  window.answered = await answer.text();
  await peer.setRemoteDescription({type: "answer", sdp: window.answered});
  return [answer.headers.get("Location"), answer.headers.get("ETag")];
}"""
RESTART = """async ([address, tag]) => {
  const peer = window.peer;
  const said = (text, name) => text.match(new RegExp(`a=${name}:(\\\\S+)`))[1];
  const names = ["ice-ufrag", "ice-pwd"];
  await peer.setLocalDescription(await peer.createOffer({iceRestart: true}));
  const ours = peer.localDescription.sdp;
  const answer = await fetch(address, {
    method: "PATCH",
    body: names.map((name) => `a=${name}:${said(ours, name)}\\r\\n`).join(""),
    headers: {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag},
  });
  const theirs = await answer.text();
  let sdp = window.answered;
  for (const name of names) sdp = sdp.replaceAll(`a=${name}:${said(sdp, name)}`,
    `a=${name}:${said(theirs, name)}`);
  const candidates = (text) => text.match(/^a=candidate:.*$/gm).map((one) => one.trim());
  await peer.setRemoteDescription({type: "answer", sdp});
  return {
    status: answer.status, tag: answer.headers.get("ETag"), kept: candidates(sdp),
    told: candidates(theirs), local: said(ours, "ice-ufrag"), remote: said(theirs, "ice-ufrag"),
  };
}"""
STATE = """async () => {
  const all = [...(await window.peer.getStats()).values()];
  const by = (id) => all.find((one) => one.id === id) ?? {};
  const transport = all.find((one) => one.type === "transport") ?? {};
  const pair = by(transport.selectedCandidatePairId);
  const pictures = all.filter((one) => one.type.endsWith("bound-rtp") && one.kind === "video")
    .map((one) => one.framesDecoded ?? one.framesSent ?? 0);
  return {
    local: by(pair.localCandidateId).usernameFragment,
    remote: by(pair.remoteCandidateId).usernameFragment,
    dtls: transport.dtlsState, pictures: Math.max(0, ...pictures),
  };
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with camera_page() as opened:
        yield opened


@pytest.mark.parametrize("way", ["whep", "whip"])
async def test_a_session_goes_on_under_another_name(
    streamer: FilmStreamer, page: Page, way: str
) -> None:
    streamer.write("stream film { input fake://fake; }\nstream cam { input publish://; }\n")
    await streamer.serve()
    await streamer.running("film")
    name = "cam" if way == "whip" else "film"
    await page.goto(f"{streamer.base}/film/embed.html?proto=hls")
    place, tag = await page.evaluate(CALL, [f"{streamer.base}/{name}/{way}", way == "whip"])

    async def more(than: int) -> dict[str, Any]:
        async def seen() -> dict[str, Any]:
            state: dict[str, Any] = await page.evaluate(STATE)
            return state if state["pictures"] >= than + PICTURES else {}

        return await until(seen, f"{PICTURES} pictures more", 40)

    before = await more(0)
    (session,) = await sessions(streamer, name)
    made = await page.evaluate(RESTART, [f"{streamer.base}{place}", tag])
    assert made["status"] == 200
    assert made["tag"] not in (tag, None)
    assert made["kept"] == made["told"], "the server is where it was"
    assert before["local"] != made["local"]

    async def renamed() -> dict[str, Any]:
        state: dict[str, Any] = await page.evaluate(STATE)
        return state if (state["local"], state["remote"]) == (made["local"], made["remote"]) else {}

    state = await until(renamed, "the new names are in use", 40)
    assert state["dtls"] == "connected"
    await more(state["pictures"])
    (still,) = await sessions(streamer, name)
    assert still["id"] == session["id"]
    assert still["bytes"] > session["bytes"]


async def sessions(streamer: FilmStreamer, name: str) -> list[dict[str, Any]]:
    _, found = await streamer.api("GET", f"/sessions?proto=webrtc&name={name}")
    return list(found["sessions"])
