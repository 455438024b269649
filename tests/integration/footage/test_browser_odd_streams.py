"""Streams that are not as most are, on the player page in Chromium: it plays what the browser can
decode, and says in words what it cannot or what is amiss; never a page that stays black in silence.

Publishers that leave and return, and HEVC where the browser has none: `browser/test_player.py`.
"""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support.chromium import CHROMIUM
from tests.support.player_pages import chromium

from .conftest import FilmStreamer

SECONDS = 12
AT_ONCE = 2
PATIENCE_SECONDS = 40
MOVES_SECONDS = 3.0
FFMPEG = ("ffmpeg", "-nostdin", "-v", "error", "-y")
PICTURE = ("-f", "lavfi", "-i", f"testsrc=size=320x180:rate=25:duration={SECONDS}")
SOUND = ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}")
AAC, OPUS = ("-c:a", "aac", "-ac", "2", "-b:a", "64k"), ("-c:a", "libopus", "-b:a", "64k")
LOW = ("-tune", "zerolatency")


def h264(*more: str, gop: int = 25, pixels: str = "yuv420p") -> tuple[str, ...]:
    return ("-c:v", "libx264", "-preset", "ultrafast", "-g", str(gop), "-pix_fmt", pixels, *more)


CLIPS: dict[str, tuple[str, ...]] = {
    "picture_alone": (*PICTURE, *h264(*LOW)),
    "sound_alone": (*SOUND, *AAC),
    "opus": (*PICTURE, *SOUND, *h264(*LOW), *OPUS),
    "ten_bit": (*PICTURE, *SOUND, *h264(*LOW, pixels="yuv420p10le"), *AAC),
    "b_frames": (*PICTURE, *SOUND, *h264("-bf", "3", "-b_strategy", "0"), *AAC),
    "long_gop": (*PICTURE, *SOUND, *h264(*LOW, "-sc_threshold", "0", gop=250), *AAC),
}
PROTOCOLS = ("llhls", "mseld", "webrtc")
LOOK = """
async ([patience, moves]) => {
  const video = document.getElementById("video");
  const end = performance.now() + patience * 1000;
  const shown = () => video.getVideoPlaybackQuality().totalVideoFrames;
  const said = new Set();
  let at = 0, seconds = 0, frames = null;
  while (performance.now() < end && seconds < moves) {
    await new Promise((done) => setTimeout(done, 250));
    for (const one of [document.getElementById("note"), ...document.querySelectorAll(
      ".player-away, [role=status], [role=alert]")])
      if (one?.checkVisibility() && one.textContent.trim()) said.add(one.textContent.trim());
    const sign = document.querySelector(".player-sign");
    if (sign && !sign.hidden) said.add(sign.title);
    const step = video.currentTime - at;
    at = video.currentTime;
    if (0 < step && step < 1) {  // else it was put there
      frames ??= shown();
      seconds += step;
    }
  }
  return [seconds, frames === null ? 0 : shown() - frames, [...said].join(" | ")];
}
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of a page."""

    seconds: float
    frames: int
    said: str


pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(280),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("odd")
    for name, words in CLIPS.items():
        subprocess.run([*FFMPEG, *words, str(directory / f"{name}.mp4")], check=True)
    return directory


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def odd(streamer: FilmStreamer, clips: Path) -> FilmStreamer:
    """Each clip over and over as a stream of its name."""
    streams = "".join(
        f"stream {name} {{ input file://odd/{name}.mp4; segment_duration 2; }}\n" for name in CLIPS
    )
    streamer.write(f"vod odd {{ storage {clips}; }}\n{streams}")
    await streamer.serve()
    for name in CLIPS:
        await streamer.running(name)
    return streamer


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_it_plays_or_says_why_not(odd: FilmStreamer, browser: Browser, protocol: str) -> None:
    room, found = asyncio.Semaphore(AT_ONCE), dict[str, Shown]()

    async def one(name: str) -> None:
        async with room:
            # The player page's policy would forbid what the test asks.
            context = await browser.new_context(bypass_csp=True)
            page = await context.new_page()
            url = f"{odd.base}/{name}/embed.html?mute=true&proto={protocol}"
            await page.goto(url)
            found[name] = Shown(*await page.evaluate(LOOK, [PATIENCE_SECONDS, MOVES_SECONDS]))
            await context.close()

    await asyncio.gather(*map(one, CLIPS))
    text = protocol + "".join(f"\n{name}: {shown}" for name, shown in found.items())
    print(text)
    assert protocol != "llhls" or "s between key frames" in found["long_gop"].said, text
    for name, shown in found.items():
        if shown.seconds < MOVES_SECONDS:
            assert name == "ten_bit", text  # whatever else there is, every way of ours can show
            assert re.search("cannot (decode|play)", shown.said), text
        elif (name, protocol) == ("b_frames", "webrtc"):
            assert "B-frames" in shown.said, text  # the browser shows what comes in order
        elif name != "sound_alone":
            assert shown.frames > MOVES_SECONDS * 12, text
