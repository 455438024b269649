"""Players of others in Chromium: they show our streams, and the picture moves."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from tests.browser.picture import watch
from tests.support.chromium import CHROMIUM
from tests.support.hls_rules import parse
from tests.support.player_pages import chromium, player_pages

from .test_hls import text

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
async def open_player(page) -> AsyncIterator:
    """Opens an address with a player, in a page of another origin."""
    async with player_pages() as url:

        async def start(player: str, address: str) -> Page:
            await page.goto(url(player, address))
            return page

        yield start


async def test_shaka_plays_low_latency_hls(egress, source, open_player):
    """The stream begins with the test: there is no whole segment yet, or one."""
    newest = parse(await text(f"{egress.url}/live/tracks-v1/index.ll.m3u8"))
    assert len(newest.segments) < 3
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
