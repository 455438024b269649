"""Encoding of `fake://`: pictures and tone to canonical frames.

Role: everything about codecs that the test source needs; no threads, no clock but the one given.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from io import BytesIO
from typing import Any, TypeAlias

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from media_streamer.media.frame import TIME_BASE, Track
from media_streamer.media.track import describe_tracks
from media_streamer.protocols.fake.picture import SAMPLE_RATE, Picture, Tone

AnyPacket: TypeAlias = "Packet[Any]"

AUDIO_BIT_RATE = 64_000
AUDIO_SAMPLES = 1024  # a frame of AAC-LC (ISO/IEC 14496-3)
AUDIO_PERIOD = 375
"""Frames after which they are the same again: eight whole seconds of the tone."""
AUDIO_STEADY = 25
"""Frames until they are: the start of the encoder and of the tone are over, the next beep is not
near, and so every frame around this one has windows of one form."""
TIME_BASES = (Fraction(1, TIME_BASE), Fraction(1, SAMPLE_RATE))
VIDEO, AUDIO = 0, 1

GLOBAL_HEADER = Flags.global_header
"""Parameter sets beside the frames, not in them."""


@dataclass(frozen=True, slots=True)
class FakeSettings:
    """What distinguishes one test stream from another; sizes in pixels, rate in bit/s."""

    width: int = 640
    height: int = 360
    fps: int = 25
    bit_rate: int = 500_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """A frame as every receiver gets it."""

    track: int
    dts: int
    pts: int
    duration: int
    key: bool
    data: bytes


def configure_video(encoder: VideoCodecContext, settings: FakeSettings) -> None:
    """x264 with one-second GOPs and no delay, writing NAL units with 4-byte lengths."""
    encoder.width, encoder.height = settings.width, settings.height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(settings.fps)
    encoder.time_base = TIME_BASES[VIDEO]
    encoder.bit_rate = settings.bit_rate
    encoder.gop_size = settings.fps
    encoder.thread_count = 1  # no frame of delay, and the other cores stay free
    encoder.flags |= GLOBAL_HEADER
    kilobits = settings.bit_rate // 1000
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "forced-idr": "1",
        "x264-params": f"annexb=0:keyint={settings.fps}:min-keyint={settings.fps}:scenecut=0:"
        f"vbv-maxrate={kilobits}:vbv-bufsize={kilobits}:"
        "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m:range=tv",
    }


def configure_audio(encoder: AudioCodecContext) -> None:
    """AAC-LC, stereo, 48 kHz."""
    encoder.sample_rate = SAMPLE_RATE
    encoder.layout = "stereo"
    encoder.format = "fltp"
    encoder.bit_rate = AUDIO_BIT_RATE
    encoder.time_base = TIME_BASES[AUDIO]
    encoder.flags |= GLOBAL_HEADER


def video_frame(picture: Picture, when: datetime, number: int, fps: int) -> av.VideoFrame:
    """The `number`-th picture of the stream, drawn for time `when`."""
    # Without a copy: x264 makes one of its own before `encode` returns.
    frame = av.VideoFrame.from_numpy_buffer(picture.draw(when, number, fps), format="yuv420p")
    frame.time_base = TIME_BASES[VIDEO]
    frame.pts = number * TIME_BASE // fps
    return frame


def audio_frame(tone: Tone, sample: int) -> av.AudioFrame:
    """`AUDIO_SAMPLES` samples of the tone from `sample` on."""
    samples = tone.samples(sample, AUDIO_SAMPLES)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    frame.time_base = TIME_BASES[AUDIO]
    frame.pts = sample
    return frame


def describe_fake(settings: FakeSettings) -> list[Track]:
    """Tracks of the test stream: the common description of a short file made the same way."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        video = output.add_stream("libx264", settings.fps)
        audio = output.add_stream("aac", SAMPLE_RATE)
        assert isinstance(video, VideoStream)
        assert isinstance(audio, AudioStream)
        configure_video(video.codec_context, settings)
        configure_audio(audio.codec_context)
        picture = Picture(settings.width, settings.height)
        output.mux(video.encode(video_frame(picture, datetime.now(UTC), 0, settings.fps)))
        output.mux(audio.encode(audio_frame(Tone(), 0)))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        first: dict[int, AnyPacket] = {}
        for packet in container.demux():
            if packet.size:
                first.setdefault(packet.stream_index, packet)
        return describe_tracks(container, first)


class ToneEncoder:
    """The tone in AAC. What repeats is encoded once: a third of what a test stream cost."""

    def __init__(self) -> None:
        encoder = av.CodecContext.create("aac", "w")
        assert isinstance(encoder, AudioCodecContext)
        configure_audio(encoder)
        self._encoder = encoder
        self._tone = Tone()
        self._frames: list[bytes] = []
        """Of the start, then of one period."""
        self._given = 0
        self.next_sample = 0

    def step(self) -> list[tuple[int, bytes]]:
        """Encode the next `AUDIO_SAMPLES`. The frame that is ready, which is the one before (none
        at first), with its time in samples; the very first begins a frame before the tone."""
        if len(self._frames) < AUDIO_STEADY + AUDIO_PERIOD:
            self._frames += map(
                bytes, self._encoder.encode(audio_frame(self._tone, self.next_sample))
            )
        self.next_sample += AUDIO_SAMPLES
        number = self._given
        if number >= AUDIO_STEADY:
            number = AUDIO_STEADY + (number - AUDIO_STEADY) % AUDIO_PERIOD
        if number >= len(self._frames):
            return []
        self._given += 1
        return [((self._given - 2) * AUDIO_SAMPLES, self._frames[number])]


class FakeEncoder:
    """Draws and encodes, a video frame a step. Not thread-safe."""

    def __init__(self, settings: FakeSettings) -> None:
        self.settings = settings
        self.tracks = describe_fake(settings)
        self._picture = Picture(settings.width, settings.height)
        self._tone = ToneEncoder()
        video = av.CodecContext.create("libx264", "w")
        assert isinstance(video, VideoCodecContext)
        configure_video(video, settings)
        self._video = video
        self.gop: list[Encoded] = []
        """Frames since the last key frame: a stream that joins starts with them at once."""
        self._next_frame = 0

    def step(self, when: datetime) -> list[Encoded]:
        """Encode the next video frame, drawn for `when`, and the audio up to it."""
        fps = self.settings.fps
        frame = video_frame(self._picture, when, self._next_frame, fps)
        self._next_frame += 1
        encoded = [self._picture_of(packet) for packet in self._video.encode(frame)]
        due = self._next_frame * SAMPLE_RATE // fps
        while self._tone.next_sample + AUDIO_SAMPLES <= due:
            for time, data in self._tone.step():
                encoded.append(Encoded(AUDIO, time, time, AUDIO_SAMPLES, True, data))
        for item in encoded:
            if item.track == VIDEO and item.key:
                self.gop = []
            self.gop.append(item)
        return encoded

    def _picture_of(self, packet: AnyPacket) -> Encoded:
        dts = packet.dts or 0
        pts = packet.pts if packet.pts is not None else dts
        duration = packet.duration or TIME_BASE // self.settings.fps
        return Encoded(VIDEO, dts, pts, duration, packet.is_keyframe, bytes(packet))
