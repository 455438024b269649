"""Other players than FFmpeg: GStreamer's and VLC's own demuxers and protocol code."""

import asyncio
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.support.players import run

from .conftest import FilmStreamer

PROTOCOLS = ("hls", "ts", "rtmp")
NOBODY = "nobody"
HLS_SECONDS = 14


def address(streamer: FilmStreamer, protocol: str) -> str:
    names = {"hls": "index.m3u8", "ts": "mpegts", "rtmp": "rtmp"}
    return streamer.outputs("film")[names[protocol]]


@pytest.fixture
async def showing(streamer: FilmStreamer) -> FilmStreamer:
    streamer.write("stream film { input file://vod/bigbuckbunny.mp4; }\n")
    await streamer.serve()
    await streamer.running("film")
    return streamer


@pytest.mark.skipif(
    not shutil.which("gst-launch-1.0"), reason="no GStreamer: apt install gstreamer1.0-tools"
)
@pytest.mark.parametrize("protocol", ["ts", "rtmp"])
async def test_gstreamer_plays(showing: FilmStreamer, protocol: str) -> None:
    """Pictures and sound are decoded and shown in time, about two seconds of them."""
    source = ("uridecodebin", f"uri={address(showing, protocol)}", "name=d", "d.", "!")
    sink = ("!", "queue", "!", "fakesink", "sync=true")
    runs = await asyncio.gather(
        *(
            run("gst-launch-1.0", *source, kind, *sink, f"num-buffers={count}", seconds=45)
            for kind, count in (("video/x-raw", 50), ("audio/x-raw", 100))
        )
    )
    for status, out, err in runs:
        assert status == 0, err
        assert "Got EOS" in out


@pytest.mark.skipif(
    not shutil.which("gst-launch-1.0"), reason="no GStreamer: apt install gstreamer1.0-tools"
)
async def test_gstreamer_plays_hls_in_time(streamer: FilmStreamer) -> None:
    """Pictures are counted until the program is told to end.

    With `num-buffers` it would not: `hlsdemux` of a live playlist takes the end that its sink
    reports for the end of the playlist so far, and waits for more.
    """
    streamer.write("stream film { input fake://fake; segment_duration 1; }\n")
    await streamer.serve()
    await streamer.running("film")
    _, out, err = await run(
        "timeout", "--signal=INT", str(HLS_SECONDS), "gst-launch-1.0", "-v",
        "souphttpsrc", f"location={address(streamer, 'hls')}", "!", "hlsdemux", "!",
        "decodebin", "!", "video/x-raw", "!", "fakesink", "sync=true", "silent=false",
        seconds=HLS_SECONDS + 20,
    )  # fmt: skip
    shown = [line for line in out.splitlines() if "last-message = chain" in line]
    # It begins after two segments or so, and needs some seconds for that.
    assert len(shown) >= (HLS_SECONDS - 8) * 25, f"{len(shown)} pictures\n{err}"


@pytest.fixture
def scenes() -> Iterator[Path]:
    """A directory that a user without privileges can write to: VLC refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="vlc") as directory:
        os.chmod(directory, 0o777)
        yield Path(directory)


@pytest.mark.skipif(not shutil.which("cvlc"), reason="no VLC: apt install vlc-bin vlc-plugin-base")
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_vlc_plays(showing: FilmStreamer, scenes: Path, protocol: str) -> None:
    """VLC writes each 25th picture that it shows into a file."""
    user = NOBODY if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    status, _, err = await run(
        "env", f"HOME={scenes}", "cvlc", "-I", "dummy", "--no-color", "-vv",
        "--run-time=4", "--play-and-exit", "--vout=dummy", "--aout=adummy",
        "--video-filter=scene", f"--scene-path={scenes}", "--scene-format=png",
        "--scene-ratio=25", "--scene-width=320", "--scene-height=180",
        address(showing, protocol),
        seconds=45, user=user if os.getuid() == 0 else None,
    )  # fmt: skip
    assert status == 0, err[-3000:]
    pictures = [name for name in sorted(os.listdir(scenes)) if name.endswith(".png")]
    assert len(pictures) >= 2, err[-3000:]
    with av.open(str(scenes / pictures[-1])) as container:
        (picture,) = container.decode(video=0)
    assert picture.to_ndarray(format="gray").std() > 10, "the picture is of one colour"
