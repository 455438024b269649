"""Real footage at the rate and GOP that the figures of other servers were measured with."""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.bench.figure import Skipped
from tests.support.clips import footage

VIDEO_KBIT = 2000
AUDIO_KBIT = 96
GOP_SECONDS = 2
FRAMES_A_SECOND = 25
SECONDS = 10
ENCODE_TIMEOUT_SECONDS = 120


@functools.cache
def directory() -> tempfile.TemporaryDirectory[str]:
    """Kept until the process ends."""
    return tempfile.TemporaryDirectory(prefix="bench-footage-")


@functools.cache
def clip() -> Path:
    """10 s of 1280x720 H.264 with AAC, 2.1 Mb/s, a key frame every 2 s, as MP4."""
    target = Path(directory().name, "clip.mp4")
    gop = str(GOP_SECONDS * FRAMES_A_SECOND)
    rate = f"{VIDEO_KBIT}k"
    _ffmpeg(
        *("-stream_loop", "-1", "-i", str(footage()), "-t", str(SECONDS)),
        *("-r", str(FRAMES_A_SECOND), "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"),
        *("-g", gop, "-keyint_min", gop, "-sc_threshold", "0"),
        *("-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate),
        *("-c:a", "aac", "-b:a", f"{AUDIO_KBIT}k", "-ac", "2", "-ar", "48000"),
        str(target),
    )
    return target


@functools.cache
def quick() -> Path:
    """The clip with a key frame each half second, at half the rate."""
    target = Path(directory().name, "quick.mp4")
    gop = str(FRAMES_A_SECOND // 2)
    _ffmpeg(
        *("-i", str(clip()), "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"),
        *("-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-b:v", f"{VIDEO_KBIT // 2}k"),
        *("-c:a", "copy", str(target)),
    )
    return target


@functools.cache
def flash_video() -> Path:
    """The clip as FLV."""
    target = Path(directory().name, "clip.flv")
    _ffmpeg("-i", str(clip()), "-c", "copy", "-flvflags", "no_duration_filesize", str(target))
    return target


@functools.cache
def film(seconds: int) -> Path:
    """The clip again and again without a break, as MP4."""
    target = Path(directory().name, f"film-{seconds}.mp4")
    loop = ("-stream_loop", "-1", "-i", str(clip()), "-t", str(seconds))
    _ffmpeg(*loop, "-c", "copy", str(target))
    return target


@functools.cache
def transport_stream(seconds: int) -> Path:
    """The clip again and again without a break, as MPEG-TS."""
    target = Path(directory().name, f"clip-{seconds}.ts")
    loop = ("-stream_loop", "-1", "-i", str(clip()), "-t", str(seconds))
    _ffmpeg(*loop, "-c", "copy", "-f", "mpegts", str(target))
    return target


def _ffmpeg(*arguments: str) -> None:
    if shutil.which("ffmpeg") is None:
        raise Skipped("ffmpeg is not installed")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=ENCODE_TIMEOUT_SECONDS)
