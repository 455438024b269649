"""A publisher of the test picture and its tone with key frames where a hurried encoder puts them.

`python -m tests.support.clock_publisher URL [GOPS]`: FLV by RTMP, else MPEG-TS. The picture's clock
is the wall clock, and the tone's short high part begins with each of its seconds, so that a viewer
can tell how late picture and sound are, and how far apart. GOPS are the lengths of the groups of
pictures in frames, over and over.
"""

import itertools
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.video.frame import PictureType
from av.video.stream import VideoStream
from media_streamer.protocols.fake.picture import SAMPLE_RATE, Picture, Tone

WIDTH, HEIGHT, FPS = 320, 180, 25
AUDIO_SAMPLES = 1024
IRREGULAR = (25, 61, 12, 100, 25, 7, 38, 150, 3, 50, 90)
"""From 0.12 to 6 s, 2 s in the middle."""


def publish(url: str, gops: Sequence[int] = IRREGULAR) -> None:
    """Until the connection is lost."""
    kind = "flv" if url.startswith("rtmp") else "mpegts"
    with av.open(url, "w", format=kind) as output:
        video = output.add_stream("libx264", FPS)
        audio = output.add_stream("aac", SAMPLE_RATE)
        assert isinstance(video, VideoStream)
        assert isinstance(audio, AudioStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate, video.gop_size = 300_000, 1000
        video.codec_context.thread_count = 1
        video.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "x264-params": "scenecut=0:colorprim=smpte170m:transfer=smpte170m"
            ":colormatrix=smpte170m:range=tv",
        }
        audio.codec_context.layout, audio.codec_context.format = "stereo", "fltp"
        keys = itertools.accumulate(itertools.cycle(gops), initial=0)
        picture, tone, sample, key = Picture(WIDTH, HEIGHT), Tone(), 0, next(keys)
        began = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for number in itertools.count():
            when = began + timedelta(seconds=number / FPS)
            time.sleep(max(0.0, when.timestamp() - time.time()))
            frame = av.VideoFrame.from_ndarray(picture.draw(when, number, FPS), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            if number == key:
                frame.pict_type, key = PictureType.I, next(keys)
            output.mux(video.encode(frame))
            while sample < (number + 1) * SAMPLE_RATE // FPS:
                sound = av.AudioFrame.from_ndarray(
                    tone.samples(sample, AUDIO_SAMPLES), format="fltp", layout="stereo"
                )
                sound.sample_rate, sound.pts = SAMPLE_RATE, sample
                sound.time_base = Fraction(1, SAMPLE_RATE)
                output.mux(audio.encode(sound))
                sample += AUDIO_SAMPLES


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[2].split(",")] if sys.argv[2:] else IRREGULAR
    publish(sys.argv[1], wanted)
