"""Encoders, and the tracks that they make, described by their first packet.

As with any input: a short MP4 is written with that packet, and read again (`media/track.py`). That
file also owns the encoder's stream, so the encoder is told apart from what is described nowhere.
"""

import io
from fractions import Fraction
from typing import Any

import av
from msgspec.structs import replace

from media_streamer.media.frame import Track
from media_streamer.media.track import TrackError, describe_tracks


class Encoder:
    """An encoder of FFmpeg in a file of its own; `context` is to be set up before it is used."""

    def __init__(self, name: str, rate: int | Fraction, track: Track) -> None:
        """`track`: what is known of the track before it is encoded. Raises FFmpegError."""
        self._file = io.BytesIO()
        # MP4 has no G.711; QuickTime, which is read as MP4 is, has.
        form = "mov" if track.codec in ("pcm_alaw", "pcm_mulaw") else "mp4"
        self._output = av.open(self._file, "w", format=form)
        self._stream: Any = self._output.add_stream(name, rate)
        self.context: Any = self._stream.codec_context
        self._track = track

    def describe(self, packet: "av.Packet[Any]") -> Track:
        """The track, by the first packet; once. Raises TrackError or FFmpegError."""
        first = av.Packet(bytes(packet))
        first.stream = self._stream
        first.pts = first.dts = 0
        first.duration = packet.duration or 1
        first.time_base = self.context.time_base
        first.is_keyframe = True
        self._output.mux(first)
        self._output.close()
        self._file.seek(0)
        with av.open(self._file, "r") as container:
            read = next(packet for packet in container.demux() if packet.size)
            found = describe_tracks(container, {read.stream_index: read})
        if not found:
            raise TrackError(f"what {self.context.name} makes cannot be described")
        known = self._track
        return replace(
            found[0],
            number=known.number,
            name=known.name,
            language=known.language,
            bit_rate=known.bit_rate,
            fps=known.fps,
            group=known.group,
            rank=known.rank,
        )
