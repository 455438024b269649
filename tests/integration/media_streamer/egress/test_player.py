"""The page embed.html in a real browser."""

import time

import pytest
from media_streamer.wire.control import AccessRequest, Refusal
from msgspec.structs import replace

from tests.support.chromium import CHROMIUM
from tests.support.player_pages import chromium

PLAYS = """() => {
  const video = document.getElementById("video");
  return !video.paused && video.currentTime > 0.5 && video.videoWidth === 320;
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
async def page():
    async with chromium() as browser:
        page = await browser.new_page()
        page.complaints = []
        page.on("console", lambda line: page.complaints.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: page.complaints.append(f"error: {error}"))
        page.addresses = []
        page.on("request", lambda request: page.addresses.append(request.url))
        page.on("websocket", lambda socket: page.addresses.append(socket.url))
        yield page


@pytest.mark.parametrize(
    ("query", "playlist"),
    [
        ("?mute=true", "index.ll.m3u8"),
        ("?proto=hls&mute=true", "index.m3u8"),
        ("?proto=fmp4&token=abc", "index.fmp4.m3u8"),
        ("?realtime=true&mute=true", "mse_ld"),
    ],
)
async def test_page_plays(egress, source, page, query, playlist):
    response = await page.goto(f"{egress.url}/live/embed.html{query}")
    assert response.status == 200
    assert "unsafe" not in response.headers["content-security-policy"]
    await page.wait_for_function(PLAYS, timeout=60_000)
    assert page.complaints == []
    assert any(f"/live/{playlist}" in address for address in page.addresses)
    muted = await page.evaluate("document.getElementById('video').muted")
    assert muted is ("mute=true" in query)
    if "token" in query:
        media = [a for a in page.addresses if "/tracks-" in a]
        assert media
        assert all(address.endswith("token=abc") for address in media)


async def test_viewers_choose_quality_and_sound(egress, renditions, page):
    await page.goto(f"{egress.url}/live/embed.html?proto=fmp4&mute=true")
    sounds = "() => document.getElementById('sound').options.length === 2"
    await page.wait_for_function(sounds, timeout=40_000)
    options = "(id) => [...document.getElementById(id).options].map((one) => one.text)"
    assert await page.evaluate(options, "sound") == ["a1 eng", "a2 deu"]
    assert sorted(await page.evaluate(options, "quality")) == ["180p", "360p", "Auto"]
    for height in (180, 360):
        await page.get_by_label("Quality").select_option(f"{height}p")
        shown = f"() => document.getElementById('video').videoHeight === {height}"
        await page.wait_for_function(shown, timeout=40_000)
    assert page.complaints == []


async def test_there_is_no_menu_where_there_is_nothing_to_choose(egress, source, page):
    await page.goto(f"{egress.url}/live/embed.html?proto=fmp4&mute=true")
    await page.wait_for_function(PLAYS, timeout=60_000)
    assert not await page.get_by_label("Quality").is_visible()
    assert not await page.get_by_label("Sound").is_visible()


async def test_page_falls_back_to_plain_hls_where_low_latency_is_denied(egress, source, page):
    denied = Refusal(403, "protocol_denied", "No")
    decide = egress.access

    async def access(request):
        return denied if request.proto == "llhls" else await decide(request)

    egress.peer.answer(AccessRequest, access)
    await page.goto(f"{egress.url}/live/embed.html?mute=true")
    await page.wait_for_function(PLAYS, timeout=60_000)


async def test_page_falls_back_where_websockets_are_denied(egress, source, page):
    denied = Refusal(403, "protocol_denied", "No")
    decide = egress.access

    async def access(request):
        return denied if request.proto == "mseld" else await decide(request)

    egress.peer.answer(AccessRequest, access)
    await page.goto(f"{egress.url}/live/embed.html?realtime=true&mute=true")
    await page.wait_for_function(PLAYS, timeout=60_000)
    assert any("index.ll.m3u8" in address for address in page.addresses)


async def test_page_says_that_the_source_is_silent_and_goes_on(egress, source, page):
    await page.goto(f"{egress.url}/live/embed.html?proto=mseld&mute=true")
    await page.wait_for_function(PLAYS, timeout=60_000)
    source.paused = True
    told = "() => document.getElementById('note').textContent.includes('no data')"
    await page.wait_for_function(told, timeout=40_000)
    source.started = time.monotonic() - (
        (source.frames[source.position].dts - source.frames[0].dts) / 90_000
    )
    source.paused = False
    before = await page.evaluate("document.getElementById('video').currentTime")
    moved = f"() => document.getElementById('video').currentTime > {before} + 1"
    await page.wait_for_function(moved, timeout=40_000)
    await page.wait_for_function("() => document.getElementById('note').textContent === ''")


async def test_page_goes_on_when_the_tracks_change(egress, source, page, footage_in):
    await page.goto(f"{egress.url}/live/embed.html?proto=mseld&mute=true")
    await page.wait_for_function(PLAYS, timeout=60_000)
    tracks, frames = footage_in("libx264", "libopus")
    source.output.gap()
    source.output.set_tracks(tracks)
    source.paused = True
    shift = source.frames[source.position].dts - frames[0].dts
    source.tracks = tracks
    source.frames = [replace(f, dts=f.dts + shift, pts=f.pts + shift) for f in frames]
    source.started = time.monotonic()
    source.position = 0
    source.paused = False
    before = await page.evaluate("document.getElementById('video').currentTime")
    moved = f"() => document.getElementById('video').currentTime > {before} + 2"
    await page.wait_for_function(moved, timeout=40_000)


async def test_page_says_that_there_is_no_such_stream(egress, page):
    egress.denied["gone"] = {"status": 404, "code": "stream_not_found", "title": "No such stream"}
    response = await page.goto(f"{egress.url}/gone/embed.html")
    assert response.status == 404
