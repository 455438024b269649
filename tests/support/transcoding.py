"""What an engine of a transcoder is given in tests, and what it made."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from media_streamer.media.track import describe_streams, template
from media_streamer.transcoder.engine import Engine
from media_streamer.wire.frame import TIME_BASE, Frame, Track

START = 1_000_000
"""Stamp of the first picture."""


@dataclass
class Made:
    """What an engine made."""

    engine: Engine | None = None
    tracks: list[Track] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    refusal: str = ""
    device: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def made(self, tracks: Sequence[Track], device: str) -> None:
        self.tracks, self.device = list(tracks), device

    def encoded(self, frames: Sequence[Frame]) -> None:
        self.frames += frames

    def refused(self, reason: str) -> None:
        self.refusal = reason
        self.over.set()

    def ended(self) -> None:
        self.over.set()

    def of(self, name: str) -> list[Frame]:
        """Frames of a track."""
        (number,) = [track.number for track in self.tracks if track.name == name]
        return [frame for frame in self.frames if frame.track == number]

    def keys(self, name: str) -> list[int]:
        """Stamps of its key frames, in pictures of 25 a second."""
        return [(frame.pts - START) * 25 // TIME_BASE for frame in self.of(name) if frame.key]


@dataclass
class Source:
    """A test picture, three seconds of it."""

    tracks: list[Track]
    frames: list[Frame]


def film_of(path: Path) -> Source:
    """The tracks and frames of an MP4 file, as an input would give them."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        firsts = {packet.stream_index: packet for packet in reversed(packets)}
        tracks = describe_streams(container, firsts)
        frames = []
        for packet in packets:
            ticks = packet.time_base * TIME_BASE
            dts, pts = (START + round((stamp or 0) * ticks) for stamp in (packet.dts, packet.pts))
            duration = round((packet.duration or 0) * ticks)
            number = tracks[packet.stream_index].number
            frames.append(Frame(number, dts, pts, duration, packet.is_keyframe, bytes(packet)))
    return Source(list(tracks.values()), sorted(frames, key=lambda frame: frame.dts))


def pictures(track: Track, frames: list[Frame]) -> list[Any]:
    """Decoded from what the track says of itself."""
    found = []
    with template(track.init) as container:
        context: Any = container.streams[0].codec_context
        for frame in [*frames, None]:
            packet = None
            if frame is not None:
                packet = av.Packet(frame.data)
                packet.pts, packet.dts = frame.pts, frame.dts
            found += context.decode(packet)
    return found


def psnr(made: Sequence[Any], source: Sequence[Any]) -> float:
    """Of the luma of all pictures, in dB."""
    pairs = zip(made, source, strict=True)
    planes = [[one.reformat(format="gray").to_ndarray().astype(float) for one in p] for p in pairs]
    error = np.mean([np.mean((now - was) ** 2) for now, was in planes])
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


Transcode = Callable[..., Made]
"""Document, frames and tracks (default: all of the source) to what was made of them."""
