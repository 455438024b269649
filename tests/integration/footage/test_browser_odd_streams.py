"""Streams that are not as most are, on the player page in Chromium: it plays what the browser can
decode, and says in words what it cannot; never a page that stays black in silence."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.support.player_pages import ARGUMENTS, CHROMIUM

from .conftest import FilmStreamer

FFMPEG = ("ffmpeg", "-nostdin", "-v", "error", "-y")
SECONDS = 12
_PICTURE = "testsrc=size={}:rate={}:duration=" + str(SECONDS)
_SOUND = ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}")
_AAC = ("-c:a", "aac", "-ac", "2", "-b:a", "64k")


def picture(size: str = "320x180", rate: int = 25) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", _PICTURE.format(size, rate))


def h264(*more: str, gop: int = 25, pixels: str = "yuv420p") -> tuple[str, ...]:
    return ("-c:v", "libx264", "-preset", "ultrafast", "-g", str(gop), "-pix_fmt", pixels, *more)


LOW = ("-tune", "zerolatency")
CLIPS: dict[str, tuple[str, ...]] = {
    "picture_alone": (*picture(), *h264(*LOW)),
    "sound_alone": (*_SOUND, *_AAC),
    "ten_bit": (*picture(), *_SOUND, *h264(*LOW, pixels="yuv420p10le"), *_AAC),
    "odd_size": (*picture("641x361"), *_SOUND, *h264(*LOW, pixels="yuv444p"), *_AAC),
    "cropped": (*picture("642x362"), *_SOUND, *h264(*LOW), *_AAC),
    "sixty": (*picture(rate=60), *_SOUND, *h264(*LOW, gop=60), *_AAC),
    "b_frames": (*picture(), *_SOUND, *h264("-bf", "3", "-b_strategy", "0"), *_AAC),
    "long_gop": (*picture(), *_SOUND, *h264(*LOW, "-sc_threshold", "0", gop=300), *_AAC),
}
STREAMS = {name: f"{name}.mp4" for name in CLIPS} | {"resized": "resized.ts"}
PROTOCOLS = ("llhls", "mseld", "webrtc")
AT_ONCE = 2
PATIENCE_SECONDS = 40
MOVES_SECONDS = 3.0

LOOK = """
async ([patience, moves]) => {
  const video = document.getElementById("video");
  const end = performance.now() + patience * 1000;
  const said = () => [document.getElementById("note"), ...document.querySelectorAll(".player-away")]
    .map((one) => one?.textContent.trim()).filter(Boolean).join(" | ");
  const shown = () => video.getVideoPlaybackQuality().totalVideoFrames;
  let from = null, words = "";
  while (performance.now() < end) {
    await new Promise((done) => setTimeout(done, 250));
    words = said() || words;
    if (!video.currentTime) continue;
    from ??= [video.currentTime, shown()];
    if (video.currentTime - from[0] > moves) break;
  }
  const sizes = new Set([`${video.videoWidth}x${video.videoHeight}`]);
  return {
    seconds: from ? video.currentTime - from[0] : 0, frames: from ? shown() - from[1] : 0,
    size: [...sizes][0], said: said(), saidBefore: words,
  };
}
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of a page."""

    seconds: float
    frames: int
    size: str
    said: str
    """What the page says at the end."""

    @property
    def moves(self) -> bool:
        return self.seconds > MOVES_SECONDS


pytestmark = [
    pytest.mark.long,
    pytest.mark.browser,
    pytest.mark.timeout(280),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("odd")
    for name, words in CLIPS.items():
        subprocess.run([*FFMPEG, *words, str(directory / f"{name}.mp4")], check=True)
    halves = []
    for number, size in enumerate(("320x180", "640x360")):
        half = directory / f"half{number}.ts"
        words = (*picture(size), *_SOUND, *h264(*LOW), *_AAC, "-t", "6")
        begin = ("-output_ts_offset", str(6 * number), "-muxdelay", "0")
        subprocess.run([*FFMPEG, *words, *begin, str(half)], check=True)
        halves.append(half.read_bytes())
    (directory / "resized.ts").write_bytes(b"".join(halves))
    return directory


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def odd(streamer: FilmStreamer, clips: Path) -> FilmStreamer:
    """Each clip over and over as a stream of its name."""
    streams = "".join(
        f"stream {name} {{ input file://odd/{file}; segment_duration 2; }}\n"
        for name, file in STREAMS.items()
    )
    streamer.write(f"vod odd {{ storage {clips}; }}\n{streams}")
    await streamer.serve()
    for name in STREAMS:
        await streamer.running(name)
    return streamer


async def look(page: Page, url: str, moves: float = MOVES_SECONDS) -> Shown:
    await page.goto(url)
    found = await page.evaluate(LOOK, [PATIENCE_SECONDS, moves])
    return Shown(found["seconds"], found["frames"], found["size"], found["said"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_it_plays_or_says_why_not(odd: FilmStreamer, browser: Browser, protocol: str) -> None:
    room, found = asyncio.Semaphore(AT_ONCE), {}

    async def one(name: str) -> None:
        async with room:
            context = await browser.new_context(bypass_csp=True)
            page = await context.new_page()
            url = f"{odd.base}/{name}/embed.html?mute=true&proto={protocol}"
            found[name] = await look(page, url)
            await context.close()

    await asyncio.gather(*map(one, STREAMS))
    text = "\n".join(f"{name}: {shown}" for name, shown in found.items())
    print(protocol, text, sep="\n")
    for name, shown in found.items():
        assert shown.moves or shown.said, text
        if shown.moves and name != "sound_alone":
            assert shown.frames > MOVES_SECONDS * 15, text
