"""Players of others in Chromium: they show our streams, and the picture moves."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright

from tests.browser.picture import watch
from tests.support.hls_rules import parse
from tests.support.ports import free_port

from .test_hls import text

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
]
VENDOR = Path(__file__).parents[3] / "vendor"
STARTS = {
    "dash": """
        var player = dashjs.MediaPlayer().create();
        player.updateSettings({streaming: {utcSynchronization: {
          defaultTimingSource: {scheme: "", value: ""}, backgroundAttempts: 0}}});
        player.on("error", (event) => failed(event.error?.message ?? event.error));
        player.initialize(video, address, true);
    """,
    "videojs": """
        const player = videojs(video, {html5: {vhs: {overrideNative: true, llhls: true}}});
        player.on("error", () => failed(player.error().message));
        player.src({src: address, type: "application/x-mpegURL"});
        player.ready(() => player.play());
    """,
    "shaka": """
        const player = new shaka.Player();
        player.addEventListener("error", (event) => failed(event.detail.code));
        player.attach(video).then(() => player.load(address)).then(() => video.play(), failed);
    """,
}
PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<video id="video" muted autoplay playsinline></video>
<script src="/vendor/{file}"></script>
<script>
  const video = document.getElementById("video");
  const address = {address};
  window.failures = [];
  const failed = (why) => failures.push(String(why));
  {start}
</script>
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page()
        page.on("console", lambda line: print(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: print(f"error: {error}"))
        yield page
        await browser.close()


@pytest.fixture
async def open_player(page) -> AsyncIterator:
    """Opens an address with a player, in a page of another origin."""
    html = ""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_static("/vendor", VENDOR)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()

    async def start(player: str, address: str) -> Page:
        nonlocal html
        html = PAGE.format(
            file=f"{player}.min.js", address=json.dumps(address), start=STARTS[player]
        )
        await page.goto(f"http://127.0.0.1:{port}/")
        return page

    yield start
    await runner.cleanup()


async def test_shaka_plays_low_latency_hls(egress, source, open_player):
    # A stream that runs has three segments for its first viewer; this one begins with the test.
    url = f"{egress.url}/live/tracks-v1/index.ll.m3u8"
    for _ in range(2):
        newest = parse(await text(url))
        await text(f"{url}?_HLS_msn={newest.next_msn}")
    page = await open_player("shaka", f"{egress.url}/live/index.ll.m3u8")
    seen = await watch(page, "#video")
    assert len(set(seen.means)) > len(seen.means) // 2, "the picture does not move"
    assert await page.evaluate("failures") == []


async def test_videojs_plays_low_latency_hls(egress, source, open_player):
    page = await open_player("videojs", f"{egress.url}/live/index.ll.m3u8")
    seen = await watch(page, "video")
    assert len(set(seen.means)) > len(seen.means) // 2, "the picture does not move"
    assert await page.evaluate("failures") == []


async def test_dash_plays_near_the_live_edge(egress, source, open_player):
    page = await open_player("dash", f"{egress.url}/live/index.ll.mpd")
    await page.wait_for_function("player.getCurrentLiveLatency() < 3", timeout=60_000)
    seen = await watch(page, "#video")
    assert len(set(seen.means)) > len(seen.means) // 2, "the picture does not move"
    assert await page.evaluate("failures") == []


@pytest.mark.parametrize("player", ["dash", "shaka"])
async def test_dash_plays(egress, source, open_player, player):
    page = await open_player(player, f"{egress.url}/live/index.mpd")
    seen = await watch(page, "#video")
    assert len(set(seen.means)) > len(seen.means) // 2, "the picture does not move"
    assert await page.evaluate("failures") == []
