"""Players of others in Chromium take another rendition, and the picture moves on."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright

from tests.browser.picture import watch
from tests.support.player_pages import ARGUMENTS, CHROMIUM, VENDOR
from tests.support.ports import free_port

PLAYERS = {
    "hls": """
        const player = new Hls({startLevel: 0, capLevelToPlayerSize: false});
        player.on(Hls.Events.ERROR, (_, data) => data.fatal && failed(data.details));
        player.loadSource(address);
        player.attachMedia(video);
        window.take = (height) => {
          player.nextLevel = player.levels.findIndex((level) => level.height === height);
        };
    """,
    "dash": """
        const player = dashjs.MediaPlayer().create();
        player.updateSettings({streaming: {
          utcSynchronization: {defaultTimingSource: {scheme: "", value: ""}, backgroundAttempts: 0},
          abr: {autoSwitchBitrate: {video: false}},
        }});
        player.on("error", (event) => failed(event.error?.message ?? event.error));
        player.initialize(video, address, true);
        window.take = (height) => {
          const found = player.getRepresentationsByType("video").find((r) => r.height === height);
          player.setRepresentationForTypeById("video", found.id, true);
        };
    """,
    "shaka": """
        const player = new shaka.Player();
        player.configure({abr: {enabled: false}});
        player.addEventListener("error", (event) => failed(event.detail.code));
        player.attach(video).then(() => player.load(address)).then(() => video.play(), failed);
        window.take = (height) => {
          const found = player.getVariantTracks().find((track) => track.height === height);
          player.selectVariantTrack(found, true);
        };
    """,
}
PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<video id="video" muted autoplay playsinline></video>
<script src="/{file}"></script>
<script>
  const video = document.getElementById("video");
  const address = {address};
  window.failures = [];
  const failed = (why) => failures.push(String(why));
  {start}
</script>
"""
SHOWN = "(height) => document.getElementById('video').videoHeight === height"
PATIENCE_MS = 40_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
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
async def serve_page() -> AsyncIterator:
    """A server of pages that play: gives the address for a player and a stream."""
    html = ""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    async def script(request: web.Request) -> web.FileResponse:
        name = request.match_info["name"]
        return web.FileResponse(VENDOR["ours" if name.startswith("hls") else "vendor"] / name)

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_get("/{name:[a-z.]+}", script)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()

    def make(player: str, address: str) -> str:
        nonlocal html
        html = PAGE.format(
            file=f"{player}.min.js", address=json.dumps(address), start=PLAYERS[player]
        )
        return f"http://127.0.0.1:{port}/"

    yield make
    await runner.cleanup()


@pytest.mark.parametrize(
    ("player", "name"),
    [
        ("hls", "index.m3u8"),
        ("hls", "index.ll.m3u8"),
        ("shaka", "index.fmp4.m3u8"),
        ("dash", "index.mpd"),
    ],
)
async def test_another_rendition_goes_on(egress, renditions, page, serve_page, player, name):
    await page.goto(serve_page(player, f"{egress.url}/live/{name}"))
    await page.wait_for_function(
        "document.getElementById('video').videoHeight > 0", timeout=PATIENCE_MS
    )
    shown = await page.evaluate("document.getElementById('video').videoHeight")
    for height in (540 - shown, shown):
        await page.evaluate("(height) => take(height)", height)
        await page.wait_for_function(SHOWN, arg=height, timeout=PATIENCE_MS)
    seen = await watch(page, "#video")
    assert len(set(seen.means)) > len(seen.means) // 2, "the picture does not move"
    assert await page.evaluate("failures") == []
