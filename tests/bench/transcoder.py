"""Transcoder: CPU time of a ladder against ffmpeg with the same settings, and of the socket."""

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from media_api.transcoder import TranscoderSpec
from media_streamer.transcoder import backlog, engine
from media_streamer.transcoder.engine import Engine
from media_streamer.transcoder.plan import make_plan
from media_streamer.wire import encoding
from media_streamer.wire.frame import Frame, Track
from media_streamer.wire.transcoding import TRANSCODER_SIDE, Encoded, Source

from tests.bench import _footage
from tests.bench.figure import Figure, Skipped
from tests.support.clips import read_clip

LADDER = ((720, 2000), (480, 900), (240, 300))
"""Height and kbit/s."""
PRESET = "veryfast"
GOP = 50
TURNS = 3
TIMEOUT_SECONDS = 300
GOAL = 1.05


def run() -> list[Figure]:
    """10 s of 1280x720 H.264 to three renditions by x264, decoded once; best of three each."""
    if shutil.which("ffmpeg") is None:
        raise Skipped("ffmpeg is not installed")
    source = str(_footage.clip())
    ours, theirs = [], []
    for _ in range(TURNS):  # by turns, so that a busy machine is busy for both
        ours.append(_cpu_of([sys.executable, "-m", "tests.bench.transcoder", source]))
        theirs.append(_cpu_of(_ffmpeg(source)))
    idle = _cpu_of([sys.executable, "-m", "tests.bench.transcoder", source, "--idle"])
    seconds = _footage.SECONDS
    own, peer = (min(ours) - idle) / seconds, min(theirs) / seconds
    return [
        Figure("720p to 3 renditions", own, "cores", "", "without the start of the process"),
        Figure("the same by ffmpeg", peer, "cores"),
        Figure("ratio", own / peer, "", f"<= {GOAL}"),
        Figure("frames over the socket, both ways", _wire(), "cores"),
    ]


def _cpu_of(command: Sequence[str]) -> float:
    """Seconds of CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, timeout=TIMEOUT_SECONDS, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ffmpeg(source: str) -> list[str]:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", source]
    for height, kbit in LADDER:
        command += ["-map", "0:v", "-c:v", "libx264", "-preset", PRESET, "-b:v", f"{kbit}k"]
        command += ["-maxrate", f"{int(kbit * 1.2)}k", "-bufsize", f"{kbit * 2}k"]
        command += ["-x264-params", f"keyint={GOP}:min-keyint={GOP}:scenecut=0"]
        command += ["-vf", f"scale=-2:{height}:flags=bicubic", "-f", "null", "-"]
    return command


def _wire() -> float:
    """CPU time to pack and unpack the source and a ladder's worth of frames, a second of media."""
    clip = read_clip(_footage.clip())
    share = sum(kbit for _, kbit in LADDER) / _footage.VIDEO_KBIT
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    turns = 20
    for _ in range(turns):
        for frame in clip.frames:
            TRANSCODER_SIDE.decoder.decode(encoding.encode(Source([frame])))
            data = frame.data[: int(len(frame.data) * share / len(LADDER))]
            for _ in LADDER:
                encoding.encode(Encoded(1, [Frame(0, 1, 1, 1, True, data)]))
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - begin
    return spent / turns / _footage.SECONDS


class _Counter:
    def __init__(self) -> None:
        self.frames = 0
        self.over = threading.Event()

    def made(self, tracks: Sequence[Track], device: str) -> None:
        pass

    def encoded(self, frames: Sequence[Frame]) -> None:
        self.frames += len(frames)

    def refused(self, reason: str) -> None:
        raise RuntimeError(reason)

    def ended(self) -> None:
        self.over.set()


def _transcode(source: str, *, idle: bool) -> int:
    """All of a file as fast as it goes; frames made."""
    engine.THIN_TICKS = backlog.MAX_TICKS = 1 << 40
    clip = read_clip(Path(source))
    document = {
        "video": [
            {
                "bitrate": kbit * 1000,
                "preset": PRESET,
                "gop": GOP,
                "size": {"width": -1, "height": height},
            }
            for height, kbit in LADDER
        ]
    }
    plan = make_plan(TranscoderSpec.model_validate(document), clip.tracks)
    counter = _Counter()
    if idle:
        return 0
    work = Engine(plan.work, clip.tracks, counter)
    work.start()
    frames = [frame for frame in clip.frames if frame.track in plan.taken]
    work.push(frames)
    while work.frames_decoded < len(frames) - 1 and not counter.over.wait(0.05):
        pass
    work.finish()
    counter.over.wait(TIMEOUT_SECONDS)
    return counter.frames


if __name__ == "__main__":
    is_idle = "--idle" in sys.argv
    made = _transcode(sys.argv[1], idle=is_idle)
    assert is_idle or made == len(LADDER) * _footage.SECONDS * _footage.FRAMES_A_SECOND, made
