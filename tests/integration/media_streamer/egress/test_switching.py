"""Players of others in Chromium take another rendition, and the picture moves on."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from tests.browser.picture import watch
from tests.support.chromium import CHROMIUM
from tests.support.player_pages import PageUrl, chromium, player_pages

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
SHOWN = "(height) => document.getElementById('video').videoHeight === height"
PATIENCE_MS = 40_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with chromium() as browser:
        page = await browser.new_page()
        page.on("console", lambda line: print(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: print(f"error: {error}"))
        yield page


@pytest.fixture
async def page_url() -> AsyncIterator[PageUrl]:
    async with player_pages(PLAYERS) as url:
        yield url


@pytest.mark.parametrize(
    ("player", "name"),
    [
        ("hls", "index.m3u8"),
        ("hls", "index.ll.m3u8"),
        ("shaka", "index.fmp4.m3u8"),
        ("dash", "index.mpd"),
    ],
)
async def test_another_rendition_goes_on(egress, renditions, page, page_url, player, name):
    await page.goto(page_url(player, f"{egress.url}/live/{name}"))
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
