"""Picture and sound of a player together: each frame's clock, and the beep of each second.

The test picture's tone is high for the first tenth of each second of its clock
(`support/clock_publisher`), so the clock that is shown when it becomes high tells how far apart
both are.
"""

import statistics
from dataclasses import dataclass
from itertools import pairwise

from media_streamer.protocols.fake.picture import BEEP_HZ, FONT, TONE_HZ
from playwright.async_api import Page

from .picture import READER

LOUD = 0.01
NEAR_MS = 150
"""A frame is shown this long before or after a beep, at most, to be compared with it."""
OBSERVE = f"""
async ([selector, font, seconds, low, high]) => {{
  {READER}
  const video = document.querySelector(selector);
  const read = reader(video, font);
  video.muted = false;
  const context = new AudioContext();
  const node = video.srcObject ? context.createMediaStreamSource(video.srcObject)
    : context.createMediaElementSource(video);
  if (!video.srcObject) node.connect(context.destination);
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  node.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const power = (hertz) => {{
    let [a, b] = [0, 0];
    samples.forEach((value, i) => {{
      const angle = 2 * Math.PI * hertz * i / context.sampleRate;
      a += value * Math.cos(angle);
      b += value * Math.sin(angle);
    }});
    return Math.hypot(a, b) / samples.length;
  }};
  const [frames, sounds] = [[], []];
  let live = true;
  const look = (_, {{presentedFrames}}) => {{
    frames.push([performance.now(), read(), Date.now(), presentedFrames]);
    if (live) video.requestVideoFrameCallback(look);
  }};
  video.requestVideoFrameCallback(look);
  const timer = setInterval(() => {{
    analyser.getFloatTimeDomainData(samples);
    sounds.push([performance.now(), power(low), power(high)]);
  }}, 15);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  live = false;
  clearInterval(timer);
  await context.close();
  return {{frames, sounds}};
}}
"""


@dataclass(frozen=True, slots=True)
class Together:
    """What was shown and heard. Times in milliseconds."""

    frames: int
    """Presented by the browser."""
    longest_gap: float
    """Between two frames."""
    backward: int
    """Times that the clock went back."""
    latency: float
    """Of the picture's clock, median."""
    beeps: int
    apart: float
    """How far the sound is behind the picture, median; negative: it is ahead."""


async def observe(page: Page, selector: str, seconds: float) -> Together:
    """A player that plays, with its sound switched on."""
    found = await page.evaluate(OBSERVE, [selector, FONT, seconds, TONE_HZ, BEEP_HZ])
    frames = [(at, clock, now) for at, clock, now, _ in found["frames"] if clock is not None]
    assert len(frames) > 1, f"{len(found['frames'])} frames, {len(frames)} with a clock"
    beeps, was_high = [], True
    for at, low, high in found["sounds"]:
        is_high = high > low and high > LOUD
        if is_high and not was_high:
            beeps.append(at)
        was_high = is_high
    apart = []
    for beep in beeps:
        at, clock, _ = min(frames, key=lambda frame: abs(frame[0] - beep))
        if abs(at - beep) < NEAR_MS:
            apart.append((clock + beep - at + 500) % 1000 - 500)
    return Together(
        frames=found["frames"][-1][3] - found["frames"][0][3],
        longest_gap=max(after[0] - before[0] for before, after in pairwise(found["frames"])),
        backward=sum(after[1] < before[1] for before, after in pairwise(frames)),
        latency=statistics.median(now - clock for _, clock, now in frames),
        beeps=len(beeps),
        apart=statistics.median(apart) if apart else float("nan"),
    )
