"""Whole segments of a stream that has just begun, in hls.js: its picture does not stop."""

import os
import signal

import pytest

from tests.support.player_pages import CHROMIUM, chromium, player_pages

from .conftest import Streamer, until

CONFIG = "stream live { input fake://fake; segment_duration 3; }\n"
LONGEST_STOP_MS = 800
"""Without the wait it is 1.3 s; a busy machine takes some tenths."""
WATCHED_SECONDS = 7
"""Of media: the short segments of the start, and a whole one behind them."""
WATCH = """() => {
  let shown = 0, since = performance.now();
  window.longest = 0;
  setInterval(() => {
    const now = performance.now();
    if (video.currentTime !== shown) [shown, since] = [video.currentTime, now];
    else if (shown > 0) window.longest = Math.max(window.longest, now - since);
  }, 20);
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


async def test_a_picture_does_not_stop_after_a_restart(streamer: Streamer) -> None:
    streamer.write(CONFIG)
    async with chromium() as browser, player_pages() as url:
        page = await browser.new_page()
        await streamer.serve()
        await streamer.running("live")
        former = streamer.worker("media")
        assert former is not None
        os.kill(former, signal.SIGKILL)

        async def is_another() -> bool:
            return streamer.worker("media") not in {None, former}

        await until(is_another, "the media worker was started again")
        await page.goto(url("hls", f"{streamer.base}/live/index.m3u8"))
        await page.evaluate(WATCH)
        shown = f"() => video.currentTime > {WATCHED_SECONDS}"
        await page.wait_for_function(shown, timeout=60_000)
        assert await page.evaluate("failures") == []
        assert await page.evaluate("longest") < LONGEST_STOP_MS
