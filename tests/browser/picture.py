"""What a player shows: frames counted, colours read from a canvas."""

import time
from dataclasses import dataclass
from itertools import pairwise

from media_streamer.protocols.fake.picture import FONT
from playwright.async_api import Page

WINDOW_SECONDS, WIDEST_SECONDS = 4, 16
PATIENCE_SECONDS = 120.0
ENOUGH_FRAMES = 25
"""Within a window: a quarter of what the test stream has, so a busy machine passes; windows grow,
for one that encodes and decodes by the CPU what others do by the graphics card."""

# Points of the test picture as fractions of its size: the middle of each bar, and the strip in
# which a white square moves.
WATCH = """
async ([selector, seconds]) => {
  const video = document.querySelector(selector);
  if (!video || !video.videoWidth) return {frames: 0, bars: [], squares: [], means: []};
  const canvas = document.createElement("canvas");
  const [width, height] = [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const seen = {frames: 0, bars: [], squares: [], means: []};
  const look = () => {
    seen.frames += 1;
    if (seen.frames % 5 !== 1) return;
    context.drawImage(video, 0, 0);
    const at = (x, y) => [...context.getImageData(x * width, y * height, 1, 1).data].slice(0, 3);
    seen.bars = [...Array(8).keys()].map((bar) => at((bar + 0.5) / 8, 0.25));
    const strip = context.getImageData(0, Math.floor(height * 0.875), width, 1).data;
    seen.squares.push([...Array(width).keys()].findIndex((x) => strip[4 * x] > 200));
    const all = context.getImageData(0, 0, width, height).data;
    let sum = 0;
    for (let i = 0; i < all.length; i += 404) sum += all[i] + all[i + 1] + all[i + 2];
    seen.means.push(sum);
  };
  const end = performance.now() + seconds * 1000;
  let live = true;
  const next = () => live && video.requestVideoFrameCallback(() => { look(); next(); });
  next();
  await new Promise((done) => setTimeout(done, end - performance.now()));
  live = false;
  return seen;
}
"""


# Reads the digits of the test picture's clock (`fake.picture`: 24 characters of 6 by 7 dots).
READER = """
  const reader = (video, font) => {
    const known = new Map(Object.entries(font).map(([letter, rows]) => [rows.join(), letter]));
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", {willReadFrequently: true});
    return () => {
      const [width, height] = [video.videoWidth, video.videoHeight];
      [canvas.width, canvas.height] = [width, height];
      context.drawImage(video, 0, 0);
      const dot = Math.max(1, Math.min(Math.floor(width / 144), Math.floor(height / 36)));
      const [band, strip] = [height >> 1, Math.floor(height * 0.75)];
      const [left, top] = [(width - 144 * dot) >> 1, band + ((strip - band - 7 * dot) >> 1)];
      const {data} = context.getImageData(0, top, width, 7 * dot);
      const half = dot >> 1;
      const at = (x, y) => (y * dot + half) * width + left + x * dot + half;
      const lit = (x, y) => data[4 * at(x, y)] > 128;
      let text = "";
      for (let cell = 0; cell < 24; cell += 1) {
        const rows = [...Array(7).keys()].map((y) =>
          [...Array(5).keys()].reduce((row, x) => (row << 1) | lit(6 * cell + x, y), 0));
        text += known.get(rows.join()) ?? "?";
      }
      return Date.parse(text.replace(" ", "T"));
    };
  };
"""
CLOCK = f"""
async ([selector, font, count, seconds]) => {{
  {READER}
  const video = document.querySelector(selector);
  const read = reader(video, font);
  const found = [];
  const end = performance.now() + seconds * 1000;
  await new Promise((done) => {{
    const look = () => {{
      const delay = Date.now() - (video.videoWidth ? read() : NaN);
      if (!Number.isNaN(delay)) found.push(delay);
      if (found.length >= count || performance.now() > end) done();
      else video.requestVideoFrameCallback(look);
    }};
    video.requestVideoFrameCallback(look);
    setTimeout(done, seconds * 1000);
  }});
  return found;
}}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one window."""

    frames: int
    bars: list[tuple[int, int, int]]
    """Colours of the bars of the test picture, left to right."""
    squares: list[int]
    """Left edge of the moving square, in time order."""
    means: list[int]
    """A brightness of every fifth frame: it differs where the picture moves."""


async def watch(page: Page, selector: str = "stream-player video") -> Seen:
    """The first window in which the video plays; fails after PATIENCE_SECONDS."""
    deadline, window = time.monotonic() + PATIENCE_SECONDS, WINDOW_SECONDS
    while True:
        found = await page.evaluate(WATCH, [selector, window])
        if found["frames"] > ENOUGH_FRAMES:
            bars = [(r, g, b) for r, g, b in found["bars"]]
            return Seen(found["frames"], bars, found["squares"], found["means"])
        assert time.monotonic() < deadline, f"{page.url}: {found['frames']} frames in {window} s"
        window = min(window + WINDOW_SECONDS, WIDEST_SECONDS)


async def play(page: Page) -> Seen:
    """Presses play on the page of a stream and watches it."""
    await page.get_by_role("button", name="Play", exact=False).click()
    return await watch(page)


async def delays(page: Page, selector: str, count: int = 50) -> list[float]:
    """Milliseconds from the test picture's clock to the moment that a frame is shown, of some
    frames; both clocks are this machine's."""
    found: list[float] = await page.evaluate(CLOCK, [selector, FONT, count, PATIENCE_SECONDS])
    return found


_FULL = {
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "green": (0, 255, 0),
    "magenta": (255, 0, 255),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "black": (0, 0, 0),
}
TOLERANCE = 40  # of 255: lossy coding, and browsers that take BT.709 for BT.601


def assert_test_picture(seen: Seen) -> None:
    """It is the test picture in its colours, and it moves."""
    for name, colour, wanted in zip(_FULL, seen.bars, _FULL.values(), strict=True):
        off = max(abs(a - b) for a, b in zip(colour, wanted, strict=True))
        assert off <= TOLERANCE, f"{name} is {colour}"
    moves = sum(before != after for before, after in pairwise(seen.squares))
    assert moves > len(seen.squares) // 2, "the square does not move"  # it begins anew at the edge
