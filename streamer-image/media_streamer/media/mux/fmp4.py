"""Fragmented MP4 writer (ISO/IEC 14496-12 8.8): one `moof` + `mdat` a part, one track a file.

Parts never exceed the part duration (rfc8216bis 4.4.3.7) as long as frames are shorter, and a part
leaves as soon as no other frame fits. Times come from the stream's clock into every `tfdt`, so a
lost frame never shifts what follows.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.syntax import boxes

NOT_CARRIED = frozenset({"pcm_alaw", "pcm_mulaw"})
"""Codecs that MP4 has no sample entry for, and no browser plays out of it."""
EMPTY_SEGMENT = boxes.box(b"styp", b"msdh\x00\x00\x00\x00msdhmsix")
"""A segment of a track that had no frames while the others went on."""

_SYNC_SAMPLE = 0x02000000
_OTHER_SAMPLE = 0x01010000
"""sample_depends_on, sample_is_non_sync_sample (8.8.3.1)."""
_DEFAULT_BASE_IS_MOOF = 0x020000
_DEFAULT_FLAGS = 0x000020
_TRUN_VIDEO = 0x000F01
_TRUN_AUDIO = 0x000301
"""data-offset, then duration, size (and flags, composition offset) of each sample (8.8.8.1)."""

_JITTER = 90
"""1 ms: time stamps that were rounded to ms do not split a part early."""
_AUDIO_SNAP = 50
"""Sound is continuous as long as its time stamps differ by less than a 50th of a second."""
_AUDIO_FRAME_SAMPLES = (1024, 2048, 960, 1152, 576, 1536, 480, 512, 256, 768, 120, 240, 1920, 2880)
_AUDIO_ROUNDING = 2

_FRAGMENT_HEADER = struct.Struct(">I4sI4sII")
_DECODE_TIME = struct.Struct(">I4sIQ")


@dataclass(frozen=True, slots=True)
class Part:
    """A `moof` + `mdat`; `duration` in seconds."""

    data: bytes
    duration: float
    independent: bool
    """It starts with a key frame."""


@dataclass(slots=True)
class _Sample:
    time: int
    duration: int
    frame: Frame


class SampleClock:
    """Decode times and durations of the samples of one track, in ticks of its own."""

    def __init__(self, track: Track) -> None:
        self.video = track.kind == "video"
        self.timescale = boxes.timescale(track.init)
        self.expected: int | None = None
        """End of the sample before; None where the clock may jump. Kept by the user."""
        self._fallback = round(TIME_BASE / track.fps) if track.fps else TIME_BASE // 50

    def scaled(self, ticks: int) -> int:
        """Ticks of 90 kHz as those of the track."""
        return round(ticks * self.timescale / TIME_BASE)

    def place(self, frame: Frame) -> tuple[int, int]:
        """Decode time and duration of a frame."""
        duration = frame.duration if frame.duration > 0 else self._fallback
        if self.video and self.timescale == TIME_BASE:
            return frame.dts, duration
        time, scaled = self.scaled(frame.dts), max(1, self.scaled(duration))
        if not self.video:
            scaled = _whole_audio_frame(scaled)
            expected = self.expected
            if expected is not None and abs(time - expected) * _AUDIO_SNAP < self.timescale:
                time = expected
        return time, scaled

    def offset(self, frame: Frame) -> int:
        """From the decode time to the presentation time."""
        return self.scaled(frame.pts) - self.scaled(frame.dts)


class Fmp4Track:
    """Writes the parts of one track."""

    def __init__(self, track: Track, part_ms: int) -> None:
        """`part_ms`: longest part in ms."""
        self._clock = clock = SampleClock(track)
        self._video = clock.video
        self._timescale = clock.timescale
        self._track_id = boxes.track_id(track.init)
        self._sequence = 0
        self._samples: list[_Sample] = []
        self._segment_start: int | None = None
        self.set_part_duration(part_ms)

    def set_part_duration(self, part_ms: int) -> None:
        """Use another longest duration from the next frame on."""
        self._limit = (part_ms * 90 + _JITTER) * self._timescale // TIME_BASE

    def add(self, frame: Frame) -> list[Part]:
        """Take a frame; returns the parts that are complete now (at most two)."""
        sample = _Sample(*self._clock.place(frame), frame)
        parts = []
        samples = self._samples
        if samples and (
            sample.time + sample.duration - samples[0].time > self._limit
            or (not self._video and sample.time != self._clock.expected)
        ):
            parts.append(self._build(sample.time))
        if self._segment_start is None:
            self._segment_start = sample.time
        if self._samples:
            self._samples[-1].duration = sample.time - self._samples[-1].time
        self._samples.append(sample)
        self._clock.expected = end = sample.time + sample.duration
        if end + sample.duration - self._samples[0].time > self._limit:
            parts.append(self._build(None))
        return parts

    def segment_time(self, dts: int) -> int:
        """Decode time of the running segment in ticks of the track; for one without frames that of
        `dts`, which is in ticks of 90 kHz."""
        start = self._segment_start
        return self._clock.scaled(dts) if start is None else start

    def finish(self, end_dts: int | None) -> tuple[Part | None, float]:
        """End the segment: its last part, if any, and its duration in seconds (0.0 if empty).

        `end_dts` is the DTS of the track's frame that starts the next segment, None if it is not
        known.
        """
        start, end = self._segment_start, self._clock.expected
        self._segment_start = None
        if start is None or end is None:
            return None, 0.0
        known = self._clock.scaled(end_dts) if end_dts is not None else None
        part = self._build(known) if self._samples else None
        if known is not None and known > start:
            end = known
        return part, (end - start) / self._timescale

    def discontinuity(self) -> None:
        """The clock may jump with the next frame."""
        self._clock.expected = None

    def _build(self, next_time: int | None) -> Part:
        """A part of all samples; `next_time` is the decode time of the frame that follows."""
        samples, self._samples = self._samples, []
        last = samples[-1]
        if self._video and next_time is not None and next_time > last.time:
            last.duration = min(next_time - last.time, self._limit)
        self._sequence += 1
        duration = last.time + last.duration - samples[0].time
        return Part(self._fragment(samples), duration / self._timescale, samples[0].frame.key)

    def _fragment(self, samples: Sequence[_Sample]) -> bytes:
        fields: list[int] = []
        payload = [sample.frame.data for sample in samples]
        if self._video:
            run, width = _TRUN_VIDEO, 16
            for sample in samples:
                frame = sample.frame
                flags = _SYNC_SAMPLE if frame.key else _OTHER_SAMPLE
                offset = self._clock.offset(frame)
                fields += (sample.duration, len(frame.data), flags, offset & 0xFFFFFFFF)
        else:
            run, width = _TRUN_AUDIO, 8
            for sample in samples:
                fields += (sample.duration, len(sample.frame.data))
        run_bytes = 20 + width * len(samples)
        header = boxes.full_box(
            b"tfhd",
            0,
            _DEFAULT_BASE_IS_MOOF | _DEFAULT_FLAGS,
            struct.pack(">II", self._track_id, _SYNC_SAMPLE),
        )
        fragment_bytes = 8 + len(header) + _DECODE_TIME.size + run_bytes
        moof_bytes = _FRAGMENT_HEADER.size + fragment_bytes
        return b"".join(
            (
                _FRAGMENT_HEADER.pack(moof_bytes, b"moof", 16, b"mfhd", 0, self._sequence),
                struct.pack(">I4s", fragment_bytes, b"traf"),
                header,
                _DECODE_TIME.pack(_DECODE_TIME.size, b"tfdt", 1 << 24, samples[0].time),
                struct.pack(
                    f">I4sIII{len(fields)}I",
                    run_bytes,
                    b"trun",
                    1 << 24 | run,
                    len(samples),
                    moof_bytes + 8,
                    *fields,
                ),
                struct.pack(">I4s", 8 + sum(map(len, payload)), b"mdat"),
                *payload,
            )
        )


def _whole_audio_frame(samples: int) -> int:
    """The codec's frame length that `samples` was before it was rounded to 90 kHz."""
    for length in _AUDIO_FRAME_SAMPLES:
        if abs(samples - length) <= _AUDIO_ROUNDING:
            return length
    return samples
