"""Sound of any codec as Opus at 48 kHz, which is what browsers take by WebRTC.

One frame in gives the Opus frames that it completes; the encoder keeps 20 ms at most, so this costs
no latency worth a thread: 0.2 ms a frame at complexity 5, half a percent of a core a track.
"""

import logging
from fractions import Fraction
from typing import Any

import av
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler
from msgspec.structs import replace

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.track import template

log = logging.getLogger(__name__)

RATE = 48_000
FRAME_SAMPLES = 960
"""20 ms, what every receiver expects (RFC 7587 4.2)."""
BIT_RATE_A_CHANNEL = 64_000
_COMPLEXITY = "5"
_TICKS_A_FRAME = FRAME_SAMPLES * TIME_BASE // RATE
MAX_DRIFT_TICKS = TIME_BASE // 20
"""Sound further than this from its time stamps begins anew: there was a gap."""
MAX_WARNINGS = 5


class OpusConverter:
    """One track; in the event loop. Raises av.FFmpegError or ValueError if it cannot be made."""

    def __init__(self, track: Track) -> None:
        self._name = f"{track.name} ({track.codec})"
        self._container = template(track.init)
        self._decoder: Any = self._container.streams[0].codec_context
        channels = 2 if track.channels > 1 else 1
        layout = "stereo" if channels == 2 else "mono"
        self.track = replace(
            track, codec="opus", codec_string="opus", channels=channels, sample_rate=RATE
        )
        self._resampler = AudioResampler(format="s16", layout=layout, rate=RATE)
        self._fifo = AudioFifo()
        self._encoder: Any = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate = RATE
        self._encoder.layout = layout
        self._encoder.format = "s16"
        self._encoder.time_base = Fraction(1, RATE)
        self._encoder.bit_rate = BIT_RATE_A_CHANNEL * channels
        self._encoder.options = {"compression_level": _COMPLEXITY, "frame_duration": "20"}
        self._next: int | None = None
        """DTS of the next frame that is given."""
        self._samples = 0
        self._warnings = 0

    def convert(self, frame: Frame) -> list[Frame]:
        """The Opus frames that this one completes; none for one that cannot be decoded."""
        try:
            packet = av.Packet(frame.data)
            packet.pts = packet.dts = 0
            decoded = self._decoder.decode(packet)
        except av.FFmpegError as error:
            self._warn(error)
            return []
        self._align(frame.dts)
        for sound in decoded:
            sound.pts = None
            for resampled in self._resampler.resample(sound):
                resampled.pts = None
                self._fifo.write(resampled)
        return [self._frame(frame, packet) for packet in self._encode()]

    def _align(self, dts: int) -> None:
        """Follow the time stamps of the source where they leave those of the samples."""
        waiting = self._fifo.samples * TIME_BASE // RATE
        if self._next is None or abs(dts - waiting - self._next) > MAX_DRIFT_TICKS:
            self._next = dts - waiting

    def _encode(self) -> list[bytes]:
        packets: list[bytes] = []
        while (sound := self._fifo.read(FRAME_SAMPLES)) is not None:
            sound.pts = self._samples
            sound.time_base = Fraction(1, RATE)
            self._samples += FRAME_SAMPLES
            packets += [bytes(packet) for packet in self._encoder.encode(sound)]
        return packets

    def _frame(self, source: Frame, data: bytes) -> Frame:
        assert self._next is not None
        dts = self._next
        self._next = dts + _TICKS_A_FRAME
        utc_ms = source.utc_ms + (dts - source.dts) * 1000 // TIME_BASE
        return Frame(source.track, dts, dts, _TICKS_A_FRAME, True, data, utc_ms)

    def _warn(self, error: Exception) -> None:
        self._warnings += 1
        if self._warnings <= MAX_WARNINGS:
            log.warning("track %s: a frame cannot be decoded for Opus: %s", self._name, error)
