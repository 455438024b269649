"""What options of a transcoder make of a stream, as a player finds it: pixels at their places, what
the encoder says of itself in the bitstream, loudness.

One server and one film: grey, its left upper quarter green, with a steady tone.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.streamer import Streamer

WIDTH, HEIGHT = 320, 180
GREY, LIME, RED, BLUE, YELLOW = (
    (128, 128, 128), (0, 255, 0), (255, 0, 0), (0, 0, 255), (255, 255, 0)
)  # fmt: skip
NEAR = 60
"""Of each colour: encoders at low rates, and pictures without full range."""

Colour = tuple[int, int, int]


async def run(*command: str) -> tuple[bytes, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return out, err.decode()


@pytest.fixture
async def streamer(lent_streamer: Streamer) -> Streamer:
    """With the film, and a picture to lay over it."""
    films = lent_streamer.directory / "made"
    if not films.exists():
        films.mkdir()
        picture = f"color=gray:s={WIDTH}x{HEIGHT}:r=25:d=4"
        quarter = f"drawbox=0:0:{WIDTH // 2}:{HEIGHT // 2}:green:fill"
        await run(
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"{picture},{quarter}", "-f", "lavfi",
            "-i", "sine=1000:r=48000:d=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25",
            "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", str(films / "grey.ts"),
        )  # fmt: skip
        await run(
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x96:r=50:d=4",
            "-vf", "interlace=scan=tff", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25",
            "-x264-params", "tff=1", "-pix_fmt", "yuv420p", str(films / "fields.ts"),
        )  # fmt: skip
        await run(
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=red:s=16x16", "-frames:v", "1",
            str(lent_streamer.directory / "logo.png"),
        )  # fmt: skip
    lent_streamer.write(f"vod films {{ storage {films}; }}\n")
    await lent_streamer.serve()
    return lent_streamer


async def transcoded(
    streamer: Streamer, name: str, transcoder: dict[str, Any], film: str = "grey.ts"
) -> str:
    """Where it plays; it begins with who watches first."""
    inputs = [{"url": f"file://films/{film}"}]
    body = {"inputs": inputs, "transcoder": transcoder, "static": False}
    status, answer = await streamer.api("PUT", f"/streams/{name}", json=body)
    assert status == 200, answer
    assert not answer.get("warnings"), answer["warnings"]
    return f"{streamer.base}/{name}/mpegts"


class Picture:
    """One of what plays."""

    def __init__(self, pixels: bytes, width: int) -> None:
        self._pixels, self._width = pixels, width

    def at(self, x: int, y: int) -> Colour:
        start = 3 * (y * self._width + x)
        red, green, blue = self._pixels[start : start + 3]
        return red, green, blue

    def shows(self, x: int, y: int, colour: Colour) -> bool:
        return all(abs(a - b) < NEAR for a, b in zip(self.at(x, y), colour, strict=True))


async def test_pictures(streamer: Streamer) -> None:
    """Cropping and labels of all renditions, one's own logo, size and bars."""
    logo = str(streamer.directory / "logo.png")
    label = {
        "text": "X", "position": "tl", "x": 12, "y": 12,
        "font": {"size": 24, "color": "#ffff00", "alpha": 1.0, "file": _font()},
        "box": {"color": "#0000ff", "alpha": 1.0, "borderw": 8},
    }  # fmt: skip
    clock = {**label, "text": "%H:%M", "position": "bl", "box": {"color": "red", "borderw": 6}}
    url = await transcoded(
        streamer,
        "pictures",
        {
            "global": {"hw": "cpu", "gop": 25, "burn": {"text": label}},
            "decoder": {
                "crop": {"left": 160, "top": 0, "width": 160, "height": 90},
                "deinterlace": False,
            },
            "video": [
                {
                    "bitrate": 600_000, "preset": "ultrafast",
                    "logo": {"path": logo, "position": "br", "x": 4, "y": 6},
                },
                {
                    "track": 2, "bitrate": 600_000, "preset": "ultrafast", "burn": {"time": clock},
                    "size": {"width": 160, "height": 160, "strategy": "fit",
                             "background": "#00ff00"},
                    "alogo": {"path": logo, "position": "tr", "x": 0, "y": 0},
                },
            ],
        },
    )  # fmt: skip
    first, second = streamer.directory / "first.rgb", streamer.directory / "second.rgb"
    one = ("-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-y")
    await run(
        "ffmpeg", "-v", "error", "-i", url, "-map", "0:v:0", *one, str(first), "-map", "0:v:1",
        *one, str(second),
    )  # fmt: skip
    shown = Picture(first.read_bytes(), 160)
    assert shown.shows(150, 45, GREY), "cropped: the green quarter is gone"
    assert shown.shows(14, 14, BLUE), "the box begins at its place"
    assert not shown.shows(9, 14, BLUE)
    assert shown.shows(160 - 4 - 8, 90 - 6 - 8, RED), "the logo is in its corner"
    assert not shown.shows(160 - 2, 90 - 3, RED)
    assert any(shown.shows(x, 30, YELLOW) for x in range(20, 40)), "the letter"
    barred = Picture(second.read_bytes(), 160)
    assert barred.shows(80, 4, LIME), "bars above a picture that is wider"
    assert barred.shows(80, 80, GREY)
    assert barred.shows(152, 8, RED), "laid over after scaling"
    assert barred.shows(14, 120, RED), "the box of the clock"
    assert any(barred.shows(x, 133, YELLOW) for x in range(18, 95)), "its figures"


def _font() -> str:
    found = sorted(Path("/usr/share/fonts").rglob("*Sans*.ttf"))
    return str(found[0])


async def test_tracks_one_by_one(streamer: Streamer) -> None:
    """What libx264 writes into the stream of its settings; sound by ffmpeg's ear."""
    sound = {"content": "audio", "bitrate": 96_000, "codec": "aac", "input_track": "a1"}
    url = await transcoded(
        streamer,
        "tracks",
        {
            "tracks": [
                {
                    "content": "video", "track": 1, "bitrate": 300_000, "codec": "h264",
                    "preset": "veryfast", "profile": "main", "level": "3.1", "fps": 12.5,
                    "size": {"width": 160, "height": 90}, "sar": {"x": 4, "y": 3}, "bframes": 1,
                    "refs": 2, "gop": 25, "open_gop": True, "threads": 1, "rc_method": "cbr",
                    "vbv_bufsize": 600_000, "qp_range": {"qpminp": 11, "qpmaxp": 41},
                    "extra": {"subq": "3"},
                },
                {**sound, "track": 1, "sample_rate": 32_000, "channels": 1, "volume": "0.25"},
                {**sound, "track": 2, "avol": "+0dB"},
            ]
        },
    )  # fmt: skip
    settings = await encoder_settings(streamer, "tracks")
    out, _ = await run("ffprobe", "-v", "error", "-show_streams", "-of", "json", url)
    video, quiet, loud = json.loads(out)["streams"]
    assert (video["profile"], video["level"]) == ("Main", 31)
    assert (video["width"], video["sample_aspect_ratio"]) == (160, "4:3")
    assert (video["r_frame_rate"], video["has_b_frames"]) == ("25/2", 1)
    assert (quiet["sample_rate"], quiet["channels"]) == ("32000", 1)
    assert (loud["sample_rate"], loud["channels"]) == ("48000", 2)
    wanted = {
        "ref=2", "bframes=1", "open_gop=1", "threads=1", "vbv_bufsize=600", "qpmin=11", "qpmax=41",
        "subme=3", "rc=cbr",
    }  # fmt: skip
    assert not wanted - set(settings), settings
    levels = [
        float(one)
        for one in re.findall(
            r"mean_volume: (-?[\d.]+)",
            (
                await run(
                    "ffmpeg", "-i", url, "-t", "2", "-map", "0:a:0", "-af", "volumedetect", "-f",
                    "null", "-", "-t", "2", "-map", "0:a:1", "-af", "volumedetect", "-f", "null",
                    "-",
                )
            )[1],
        )
    ]  # fmt: skip
    assert 9 < abs(levels[0] - levels[1]) < 15, levels


async def test_ladders_by_their_renditions(streamer: Streamer) -> None:
    """The same of `video`, whose first rendition tells its settings; codecs, fields, sound, and
    how many pictures the decoder gives."""
    first = {
        "bitrate": 400_000, "preset": "veryfast", "bframes": 1, "refs": 2, "open_gop": True,
        "threads": 1, "rc_method": "cbr", "vbv_bufsize": 800_000, "extra": {"subq": "3"},
        "qp_range": {"qpminp": 11, "qpmaxp": 41},
        "size": {"width": 160, "height": 96},
    }  # fmt: skip
    second = {
        "track": 2, "bitrate": 400_000, "codec": "mp2v", "interlace": "tff",
        "size": {"width": 160, "height": 96},
    }  # fmt: skip
    sound = {"bitrate": 96_000, "codec": "aac", "avol": "-12dB"}
    ladder = {"global": {"hw": "cpu", "gop": 25}, "video": [first, second], "audio": sound}
    url = await transcoded(streamer, "ladder", ladder)
    settings = await encoder_settings(streamer, "ladder")
    wanted = {
        "ref=2", "open_gop=1", "threads=1", "vbv_bufsize=800", "qpmin=11", "qpmax=41", "subme=3",
        "rc=cbr",
    }  # fmt: skip
    assert not wanted - set(settings), settings
    out, _ = await run("ffprobe", "-v", "error", "-show_streams", "-of", "json", url)
    videos = [one for one in json.loads(out)["streams"] if one["codec_type"] == "video"]
    assert [one["codec_name"] for one in videos] == ["h264", "mpeg2video"]
    assert videos[1]["field_order"] == "tt"
    quiet = await loudness(url)
    thin = {"bitrate": 400_000, "preset": "ultrafast"}
    rates = {
        "fields": {"deinterlace": True, "deinterlace_rate": "field"},
        "half": {"drop_frame_interval": 2},
    }
    shown = {}
    for name, film in (("fields", "fields.ts"), ("half", "grey.ts")):
        transcoder = {"decoder": rates[name], "video": [thin]}
        url = await transcoded(streamer, name, transcoder, film)
        shown[name] = await rate(url)
    assert 45 < shown["fields"] < 55, shown
    assert 11 < shown["half"] < 14, shown
    plain = await loudness(url)
    assert 9 < plain - quiet < 15, (plain, quiet)


async def loudness(url: str) -> float:
    """Of two seconds, dB."""
    only = ("-map", "0:a:0", "-af", "volumedetect", "-f", "null", "-")
    _, said = await run("ffmpeg", "-i", url, "-t", "2", *only)
    found = re.search(r"mean_volume: (-?[\d.]+)", said)
    assert found is not None, said
    return float(found[1])


async def rate(url: str) -> float:
    """Pictures a second, over two seconds."""
    out, _ = await run(
        "ffprobe", "-v", "error", "-select_streams", "v", "-read_intervals", "%+2",
        "-show_entries", "packet=pts_time", "-of", "csv=p=0", url,
    )  # fmt: skip
    times = sorted(float(one.strip(",")) for one in out.decode().split())
    return (len(times) - 1) / (times[-1] - times[0])


async def encoder_settings(streamer: Streamer, name: str) -> list[str]:
    """What libx264 says of itself before the first picture: to the first viewer alone."""
    seen = b""
    async with streamer.session.get(f"{streamer.base}/{name}/mpegts") as answer:
        async for piece in answer.content.iter_any():
            seen += piece
            # Without the heads of the packets that it goes over.
            text = b"".join(seen[at + 4 : at + 188] for at in range(0, len(seen), 188))
            if found := re.search(rb"options: ([ -~]*aq=[ -~]*)", text):
                return found[1].decode().split()
            assert len(seen) < 2_000_000, "no settings"
    raise AssertionError("the stream ended")
