"""Output side of a media worker: CPU time a frame with each format on."""

import shutil
import tempfile
import time
from pathlib import Path

from media_streamer.media.formats import FORMATS
from media_streamer.media.frame import TIME_BASE
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings

from tests.bench.figure import Figure
from tests.support.clips import Clip, footage, read_clip

TURNS = 8
FLUSH_TICKS = TIME_BASE * 40 // 1000
GOAL_MICROSECONDS = 40
ENCODES = "webrtc"
"""Its sound is decoded and encoded anew: that is a transcoder's cost."""


def run() -> list[Figure]:
    """Microseconds of CPU time a frame of 720p H.264 with sound, flushed every 40 ms."""
    clip = read_clip(footage())
    figures = []
    together = tuple(name for name in FORMATS if name != ENCODES)
    for formats in ((), *((name,) for name in FORMATS), together):
        cost = min(_cost(clip, formats) for _ in range(TURNS))
        name = " + ".join(formats) or "no viewer (GOP cache and figures)"
        goal = f"<= {GOAL_MICROSECONDS} us" if formats == together else ""
        figures.append(Figure(name, cost, "us/frame", goal))
    return figures


def _cost(clip: Clip, formats: tuple[str, ...]) -> float:
    shared = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    output = StreamOutput(OutputSettings("bench", directory, segment_duration_ms=2000))
    output.set_tracks(clip.tracks)
    for name in formats:
        output.subscribe(name, lambda events: None)
    due, batch = 0, []
    begin = time.process_time()
    for frame in clip.frames:
        if frame.dts >= due and batch:
            output.push(batch)
            output.flush()
            due, batch = frame.dts + FLUSH_TICKS, []
        batch.append(frame)
    spent = time.process_time() - begin
    output.close()
    shutil.rmtree(directory, ignore_errors=True)
    return spent / len(clip.frames) * 1e6
