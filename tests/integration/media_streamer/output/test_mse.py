"""Chromium's Media Source Extensions take init segments and parts as hls.js hands them over."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from media_streamer.wire.media import InitSection, PartReady

from tests.support.chromium import ARGUMENTS, CHROMIUM
from tests.support.clips import Clip, read_clip

from .conftest import Collector

X264 = ("-s", "320x180", "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2")
SOUND = ("-sc_threshold", "0", "-ac", "2", "-ar", "44100")

APPEND = """
async (tracks) => {
  const video = document.createElement('video');
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener('sourceopen', done, {once: true}));
  const result = {};
  for (const [name, track] of Object.entries(tracks)) {
    if (!MediaSource.isTypeSupported(track.type)) throw new Error('unsupported ' + track.type);
    track.buffer = source.addSourceBuffer(track.type);
  }
  for (const [name, track] of Object.entries(tracks)) {
    for (const piece of track.pieces) {
      const bytes = Uint8Array.from(atob(piece), (c) => c.charCodeAt(0));
      await new Promise((done, fail) => {
        track.buffer.addEventListener('updateend', done, {once: true});
        track.buffer.addEventListener('error', () => fail(new Error('refused')), {once: true});
        track.buffer.appendBuffer(bytes);
      });
    }
    const ranges = track.buffer.buffered;
    result[name] = [...Array(ranges.length).keys()].map((i) => [ranges.start(i), ranges.end(i)]);
  }
  source.endOfStream();
  video.muted = true;
  video.currentTime = video.buffered.start(0) + 1.5;
  await new Promise((done, fail) => {
    video.addEventListener('seeked', done, {once: true});
    video.addEventListener('error', () => fail(new Error(video.error.message)), {once: true});
  });
  result.size = [video.videoWidth, video.videoHeight];
  return result;
}
"""


def pieces_of(collector: Collector, clip: Clip) -> dict[str, Any]:
    """MIME type, init segment and parts of each track."""
    tracks: dict[str, Any] = {}
    for track in clip.tracks:
        (init,) = collector.of("hls_fmp4", InitSection, track.name)
        pieces = [Path(init.path).read_bytes()]
        for part in collector.of("hls_fmp4", PartReady, track.name):
            data = Path(part.path).read_bytes()
            pieces.append(data[part.offset : part.offset + part.size])
        tracks[track.name] = {
            "type": f'{track.kind}/mp4; codecs="{init.codecs}"',
            "pieces": [base64.b64encode(piece).decode() for piece in pieces],
        }
    return tracks


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("codec", ["aac", "libopus"])
async def test_parts_are_gapless_in_a_source_buffer(
    encode: Callable[..., Path], collect: Callable[..., Collector], codec: str
) -> None:
    from playwright.async_api import async_playwright

    rate = SOUND if codec == "aac" else SOUND[:-2]
    clip = read_clip(encode("mp4", *X264, *rate, "-c:a", codec))
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe("hls_fmp4")
    collector.push(clip.frames)
    collector.output.gap()
    collector.output.flush()
    tracks = pieces_of(collector, clip)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=ARGUMENTS,
        )
        try:
            page = await browser.new_page()
            await page.goto("about:blank")
            result = await page.evaluate(APPEND, tracks)
        finally:
            await browser.close()
    assert result["size"] == [320, 180]
    for name in ("v1", "a1"):
        ((start, end),) = result[name]
        assert start == pytest.approx(10, abs=0.1)
        assert end - start == pytest.approx(3, abs=0.1)
