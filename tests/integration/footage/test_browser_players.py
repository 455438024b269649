"""Players in Chromium on a stream whose key frames come anywhere: picture, sound, both together."""

import sys
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from tests.browser.picture import watch
from tests.browser.together import observe
from tests.support import process
from tests.support.chromium import CHROMIUM
from tests.support.player_pages import PageUrl, chromium, player_pages
from tests.support.streamer import until

from .conftest import FilmStreamer

PLAYERS = {
    "dash.js": ("dash", "index.mpd", 45),
    "dash.js-low-latency": ("dash", "index.ll.mpd", 8),
    "shaka-dash": ("shaka", "index.mpd", 45),
    "shaka-dash-low-latency": ("shaka", "index.ll.mpd", 20),
    "shaka-hls-low-latency": ("shaka", "index.ll.m3u8", 8),
    "hls.js": ("hls", "index.m3u8", 45),
    "hls.js-low-latency": ("hls", "index.ll.m3u8", 8),
    "video.js": ("videojs", "index.m3u8", 45),
    "video.js-fmp4": ("videojs", "index.fmp4.m3u8", 45),
    "video.js-low-latency": ("videojs", "index.ll.m3u8", 8),
}
"""Player, address, and the latency in seconds that is bearable: the longest segment is 9 s, three
of them are kept, and Shaka counts from the end of the one under way."""
NEAR_LIVE_SECONDS = 8
PAGES = ("mseld", "webrtc")
APART_MS = 250
SHORT_SECONDS, LONG_SECONDS = 5.0, 20.0

pytestmark = [
    pytest.mark.long,  # a browser that draws, an encoder and a judge of each frame, in real time
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def page_of() -> AsyncIterator[PageUrl]:
    async with player_pages() as url:
        yield url


@pytest.fixture
async def irregular(streamer: FilmStreamer) -> AsyncIterator[FilmStreamer]:
    """The stream `odd`: picture and tone, key frames 0.1 to 6 s apart."""
    streamer.write("stream odd { input publish://; }\n")
    await streamer.serve()
    url = f"{streamer.rtmp}/static/odd"
    publisher = process.start(sys.executable, "-m", "tests.support.clock_publisher", url)
    try:
        await streamer.running("odd")

        async def has_run() -> bool:  # Shaka shows nothing of LL-HLS before there are three
            playlist = f"{streamer.base}/odd/tracks-v1/index.fmp4.m3u8"
            async with streamer.session.get(playlist) as answer:
                return (await answer.text()).count("#EXTINF") >= 3

        await until(has_run, "there are three segments", 90)
        yield streamer
    finally:
        publisher.kill()
        await publisher.wait()


async def open_page(browser: Browser, url: str) -> Page:
    """A page of its own; the player page's policy would forbid what the test asks."""
    page = await (await browser.new_context(bypass_csp=True)).new_page()
    await page.goto(url)
    return page


async def test_picture_and_sound_are_together(
    irregular: FilmStreamer, browser: Browser, page_of: PageUrl
) -> None:
    """The nearest to live of each kind, one after the other."""
    base = f"{irregular.base}/odd"
    urls = {name: f"{base}/embed.html?proto={name}" for name in PAGES}
    urls["llhls"] = page_of("hls", f"{base}/index.ll.m3u8", sound=True)
    found = {}
    for name, url in urls.items():
        page = await open_page(browser, url)
        await watch(page, "#video")
        found[name] = await observe(page, "#video", SHORT_SECONDS)
        await page.context.close()
    for name, one in found.items():
        assert one.beeps >= 2, (name, found)
        assert abs(one.apart) < APART_MS, (name, found)
        assert one.latency < 1000 * NEAR_LIVE_SECONDS, (name, found)


@pytest.mark.parametrize("name", PLAYERS)
async def test_it_plays_on(
    irregular: FilmStreamer, browser: Browser, page_of: PageUrl, name: str
) -> None:
    """For 20 s: all pictures, no pause, none twice."""
    player, file, latency_seconds = PLAYERS[name]
    page = await open_page(browser, page_of(player, f"{irregular.base}/odd/{file}", sound=True))
    selector = "video" if player == "videojs" else "#video"
    await watch(page, selector)
    found = await observe(page, selector, LONG_SECONDS)
    assert await page.evaluate("failures") == []
    assert found.frames > 0.93 * LONG_SECONDS * 25, found
    assert found.longest_gap < 500, found
    assert found.backward == 0, found
    assert found.beeps > LONG_SECONDS - 3, found
    assert abs(found.apart) < APART_MS, found
    assert found.latency < 1000 * latency_seconds, found
