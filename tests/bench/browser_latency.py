"""In Chromium: from the picture's clock to the screen, and from a wish to the first picture."""

import asyncio
import statistics

from playwright.async_api import Browser, async_playwright

from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure, Skipped
from tests.browser.picture import delays
from tests.support.chromium import ARGUMENTS, CHROMIUM

CONFIG = "stream clock { input fake://fake; }\n"
FRAMES = 100
VIEWERS = 15
SETTLE_SECONDS = 3.0
GOALS = {"webrtc": "< 250 ms", "mseld": "< 500 ms"}
FIRST_PICTURE = """
async (url) => {
  const video = document.createElement("video");
  [video.muted, video.autoplay] = [true, true];
  document.body.append(video);
  const began = performance.now();
  const peer = new RTCPeerConnection();
  const stream = video.srcObject = new MediaStream();
  peer.ontrack = (event) => stream.addTrack(event.track);
  for (const kind of ["video", "audio"]) peer.addTransceiver(kind, {direction: "recvonly"});
  const shown = new Promise((done) => video.requestVideoFrameCallback(done));
  const offer = await peer.createOffer();
  const headers = {"Content-Type": "application/sdp"};
  const answer = await fetch(url, {method: "POST", headers, body: offer.sdp});
  await peer.setLocalDescription(offer);
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  await shown;
  const milliseconds = performance.now() - began;
  peer.close();
  video.remove();
  return milliseconds;
}
"""


def run() -> list[Figure]:
    """Milliseconds, browser and server on one machine."""
    if CHROMIUM is None:
        raise Skipped("Chromium is not installed")
    return asyncio.run(_measure(CHROMIUM))


async def _measure(chromium: str) -> list[Figure]:
    figures = []
    async with streamer(CONFIG) as one, async_playwright() as playwright:
        await one.all_running(1)
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for protocol, goal in GOALS.items():
            figures.append(await _glass_to_glass(browser, one, protocol, goal))
        figures.append(await _first_picture(browser, one))
        await browser.close()
    return figures


async def _glass_to_glass(browser: Browser, one: BenchStreamer, protocol: str, goal: str) -> Figure:
    page = await browser.new_page()
    await page.goto(f"{one.base}/clock/embed.html?mute=true&proto={protocol}")
    await page.wait_for_function("document.querySelector('#video').videoWidth > 0")
    await asyncio.sleep(SETTLE_SECONDS)
    found = sorted(await delays(page, "#video", FRAMES))
    await page.close()
    name = f"{protocol}: glass to glass, median of {len(found)} frames"
    note = f"90 % below {found[len(found) * 9 // 10]:.0f}, worst {found[-1]:.0f}"
    return Figure(name, statistics.median(found), "ms", goal, note)


async def _first_picture(browser: Browser, one: BenchStreamer) -> Figure:
    page = await browser.new_page()
    await page.goto(f"{one.base}/clock/embed.html?autoplay=false")
    found = [await page.evaluate(FIRST_PICTURE, f"{one.base}/clock/whep") for _ in range(VIEWERS)]
    name = f"WHEP: first picture shown, median of {VIEWERS}"
    return Figure(name, statistics.median(found), "ms", "< 300 ms", f"worst {max(found):.0f}")
