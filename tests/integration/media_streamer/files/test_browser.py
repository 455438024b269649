"""A film in a real browser: it plays, tells how long it is, and goes where one seeks."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from tests.support.chromium import CHROMIUM
from tests.support.player_pages import chromium

from .conftest import SECONDS, FilmStreamer

WAIT_MS = 45_000
PLAYS = """() => {
  const video = document.getElementById("video");
  return video.currentTime > 0.3 && video.videoWidth === 320;
}"""
SEEK = """(seconds) => new Promise((done) => {
  const video = document.getElementById("video");
  video.pause();
  video.addEventListener("seeked", () => done(video.readyState >= 2), { once: true });
  video.currentTime = seconds;
})"""
STATE = """() => {
  const video = document.getElementById("video");
  return [video.duration, video.currentTime, video.error?.message ?? ""];
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with chromium() as browser:
        yield await browser.new_page()


@pytest.mark.parametrize("proto", ["llhls", "hls"])
async def test_a_film_plays_and_is_sought(streamer: FilmStreamer, page: Page, proto: str) -> None:
    await streamer.show()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    await page.goto(f"{streamer.base}/vod/film.mp4/embed.html?mute=true&proto={proto}")
    await page.wait_for_function(PLAYS, timeout=WAIT_MS)
    for wanted in (4.4, 0.6, 5.2):
        assert await page.evaluate(SEEK, wanted), "there is a picture"
        duration, now, error = await page.evaluate(STATE)
        assert error == ""
        assert duration == pytest.approx(SECONDS, abs=0.2)
        assert now == pytest.approx(wanted, abs=0.1)
    assert complaints == []
