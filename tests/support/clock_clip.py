"""A short film whose pictures carry a clock and whose sound beeps, made to be shown over and over.

The clock goes in steps of exactly one picture, the beep begins with each of its seconds, and the
film is as long as a whole number of pictures, of frames of sound and of seconds, so where it begins
again nothing but the clock jumps, by `LOOP_SECONDS`.
"""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from media_streamer.protocols.fake.picture import SAMPLE_RATE, Picture, Tone

WIDTH, HEIGHT, FPS = 320, 180, 25
LOOP_SECONDS = 16
GOP = FPS
AUDIO_SAMPLES = 1024
BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
_COLOURS = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m:range="
_X264 = f"scenecut=0:{_COLOURS}tv"
_X265 = f"log-level=none:scenecut=0:pools=none:frame-threads=1:{_COLOURS}limited"


def make(
    path: Path, codec: str = "h264", *, b_frames: int = 0, seconds: int = LOOP_SECONDS
) -> Path:
    """Write it: `codec` is h264 or hevc, with AAC beside it."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264" if codec == "h264" else "libx265", FPS)
        audio = output.add_stream("aac", SAMPLE_RATE)
        assert isinstance(video, VideoStream)
        assert isinstance(audio, AudioStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate, video.gop_size = 400_000, GOP
        video.codec_context.thread_count = 1
        frames = f":bframes={b_frames}:b-adapt=0:keyint={GOP}:min-keyint={GOP}"
        parameters = _X264 if codec == "h264" else _X265
        video.options = {
            "preset": "ultrafast",
            "forced-idr": "1",
            "x264-params" if codec == "h264" else "x265-params": parameters + frames,
        }
        if codec == "hevc":
            video.codec_context.codec_tag = "hvc1"
        audio.codec_context.layout, audio.codec_context.format = "stereo", "fltp"
        picture, tone, sample = Picture(WIDTH, HEIGHT), Tone(), 0
        for number in range(seconds * FPS):
            when = BEGINS + timedelta(seconds=number / FPS)
            frame = av.VideoFrame.from_ndarray(picture.draw(when, number, FPS), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            output.mux(video.encode(frame))
            while sample < (number + 1) * SAMPLE_RATE // FPS:
                sound = av.AudioFrame.from_ndarray(
                    tone.samples(sample, AUDIO_SAMPLES), format="fltp", layout="stereo"
                )
                sound.sample_rate, sound.pts = SAMPLE_RATE, sample
                sound.time_base = Fraction(1, SAMPLE_RATE)
                output.mux(audio.encode(sound))
                sample += AUDIO_SAMPLES
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    return path
