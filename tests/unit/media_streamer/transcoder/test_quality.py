"""Renditions beside those of the program ffmpeg with the same filters and settings: as good, and no
larger. And what becomes of sound with another shape. Of real footage, fields with real motion.
"""

import io
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from media_streamer.media.track import template
from media_streamer.wire.frame import TIME_BASE

from tests.support.clips import footage
from tests.support.transcoding import START, Source, Transcode, film_of, pictures, psnr

RATE = 400_000
FPS = 24
HEARD = (400, 600, 800, 1200, 1500)
"""Hz of five channels; the low one is left out where they are mixed down."""
ENCODED = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "24", "-crf", "12")


class Beside(NamedTuple):
    """What of a film is asked for, in our words and in ffmpeg's."""

    film: str
    document: dict[str, Any]
    filters: str
    bframes: int


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 640x360, and of 24 pictures a second in fields whose moments differ."""
    folder = tmp_path_factory.mktemp("films")
    fields = "setpts=0.5*PTS,scale=640:360,tinterlace=interleave_top,setfield=tff"
    for name, filters, more in (
        ("plain", "scale=640:360", ()),
        ("fields", fields, ("-flags", "+ildct+ilme", "-x264-params", "tff=1")),
    ):
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(footage()), "-vf", filters, "-t", "2", *ENCODED,
             *more, "-c:a", "aac", "-ac", "6", str(folder / f"{name}.mp4")],
            check=True, timeout=60,
        )  # fmt: skip
    return folder


@pytest.mark.parametrize(
    "wish",
    [
        Beside("plain", {"video": [{"bframes": 0}]}, "null", 0),
        Beside("plain", {"video": [{"bframes": 3}]}, "null", 3),
        Beside(
            "plain",
            {"video": [{"size": {"width": 320, "height": 320, "strategy": "fit"}}]},
            "scale=320:180:flags=bicubic,pad=320:320:0:70", 0,
        ),
        Beside(
            "plain",
            {"video": [{"size": {"width": 320, "height": 320, "strategy": "crop"}}]},
            "scale=568:320:flags=bicubic,crop=320:320", 0,
        ),
        Beside(
            "fields", {"decoder": {"deinterlace": True}, "video": [{}]},
            "bwdif=mode=send_frame:deint=interlaced", 0,
        ),
        Beside(
            "fields",
            {"decoder": {"deinterlace": "yadif", "deinterlace_rate": "field"}, "video": [{}]},
            "yadif=mode=send_field:deint=interlaced", 0,
        ),
    ],
    ids=("bframes-0", "bframes-3", "fit", "crop", "bwdif", "yadif-fields"),
)  # fmt: skip
def test_as_good_as_ffmpegs(transcode: Transcode, films: Path, wish: Beside) -> None:
    path = films / f"{wish.film}.mp4"
    source = film_of(path)
    said = {"bitrate": RATE, "preset": "veryfast", "bframes": wish.bframes, "gop": FPS}
    document = {**wish.document, "video": [said | wish.document["video"][0]]}
    ours = transcode(document, source.frames, source.tracks)
    assert not ours.refusal
    track = next(one for one in ours.tracks if one.name == "v1")
    own = pictures(track, ours.of("v1"))
    keys = ",".join(f"{(f.pts - START) / TIME_BASE:.4f}" for f in ours.of("v1") if f.key)
    shown = _ffmpeg(path, wish.filters, "-f", "rawvideo", "-pix_fmt", "yuv420p")
    before = _raw(shown, own[0].width, own[0].height)
    made = _ffmpeg(
        path, wish.filters, "-c:v", "libx264", "-preset", "veryfast", "-b:v", str(RATE),
        "-maxrate", str(RATE * 12 // 10), "-bufsize", str(RATE * 2), "-bf", str(wish.bframes),
        "-g", "1000", "-sc_threshold", "0", "-forced-idr", "1", "-force_key_frames", keys,
        "-f", "h264",
    )  # fmt: skip
    with av.open(io.BytesIO(made), "r", format="h264") as container:
        theirs = list(container.decode(video=0))
    # A filter of fields gives its last picture, or pair, only where the end is told it.
    count = min(len(own), len(theirs), len(before))
    assert len(before) - 2 <= count <= len(before)
    quality = psnr(own[:count], before[:count])
    assert quality > psnr(theirs[:count], before[:count]) - 0.5
    assert quality > 28, "the same pictures at the same places"
    assert sum(len(one.data) for one in ours.of("v1")) < 1.25 * len(made)
    depth = max(_held(frames.pts, frames.dts) for frames in ours.of("v1"))
    assert (depth > 0) == (wish.bframes > 0), "pictures are shown in another order with B frames"


def _held(pts: int, dts: int) -> int:
    return pts - dts if pts - dts > TIME_BASE // FPS // 2 else 0


def _ffmpeg(path: Path, filters: str, *output: str) -> bytes:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-an", "-vf", filters, "-fps_mode"]
    made = subprocess.run(
        [*command, "passthrough", *output, "-"], stdout=subprocess.PIPE, check=True, timeout=60
    )
    return made.stdout


def _raw(data: bytes, width: int, height: int) -> list[av.VideoFrame]:
    planes = np.frombuffer(data, np.uint8).reshape(-1, height * 3 // 2, width)
    return [av.VideoFrame.from_ndarray(one, "yuv420p") for one in planes]


@pytest.fixture(scope="module")
def surround(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """5.1 with a tone of its own in each channel."""
    path = tmp_path_factory.mktemp("sound") / "surround.mp4"
    tones = "|".join(f"0.4*sin({2 * hz}*PI*t)" for hz in (400, 600, 800, 100, 1200, 1500))
    heard = f"aevalsrc={tones}:s=48000:d=1.5:c=5.1"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", heard, "-c:a", "aac", "-b:a", "384k",
         str(path)],
        check=True, timeout=60,
    )  # fmt: skip
    return film_of(path)


@pytest.mark.parametrize(
    ("options", "channels", "rate"),
    [
        ({}, 6, 48_000),
        ({"codec": "ac3"}, 6, 48_000),
        ({"channels": 2}, 2, 48_000),
        ({"channels": 1, "sample_rate": 22_050}, 1, 22_050),
        ({"channels": 2, "sample_rate": 44_100}, 2, 44_100),
        ({"codec": "mp3"}, 2, 48_000),
        ({"codec": "opus", "channels": 2}, 2, 48_000),
    ],
)
def test_sound_of_another_shape(
    transcode: Transcode, surround: Source, options: dict[str, Any], channels: int, rate: int
) -> None:
    """Nothing that is heard is lost (of six channels mixed down the low one is), at its pitch, and
    for as long as it was."""
    document = {"audio": {"bitrate": 64_000 * channels, **options}, "video": [{"bitrate": 9000}]}
    made = transcode(document, surround.frames, surround.tracks)
    (track,) = made.tracks
    assert (track.name, track.channels, track.sample_rate) == ("a1", channels, rate)
    frames = made.of("a1")
    few = 3 * 1152 * TIME_BASE // rate  # of frames that decoder and encoder hold at either end
    assert sum(one.duration for one in frames) == pytest.approx(1.5 * TIME_BASE, abs=few)
    with template(track.init) as container:
        context: Any = container.streams[0].codec_context
        found = [s for f in frames for s in context.decode(av.Packet(f.data))]
    samples = np.concatenate([_mono(one) for one in found])[rate // 4 : rate]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    step = rate / len(samples)
    loud = spectrum > spectrum.max() / 10
    for hz in HEARD:
        assert loud[round(hz / step) - 2 : round(hz / step) + 3].any(), f"{hz} Hz is gone"
    assert not loud[round(2000 / step) :].any(), "nothing that was not there"


def _mono(sound: av.AudioFrame) -> Any:
    values = sound.to_ndarray().astype(float)
    if not sound.format.is_planar:
        values = values.reshape(-1, sound.layout.nb_channels).T
    return values.sum(axis=0)


def test_pictures_without_sound(transcode: Transcode, source: Source) -> None:
    videos = [one for one in source.tracks if one.kind == "video"]
    kept = [one for one in source.frames if one.track == videos[0].number][:30]
    document = {"video": [{"bitrate": 200_000}], "audio": {"bitrate": 64_000}}
    made = transcode(document, kept, videos)
    assert [one.name for one in made.tracks] == ["v1"]
    assert len(made.of("v1")) == len(kept)
