"""Other players than FFmpeg: GStreamer's and VLC's own demuxers and protocol code, and mpv."""

import asyncio
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.support.players import run
from tests.support.ports import free_port

from .conftest import FilmStreamer

PROTOCOLS = ("hls", "fmp4", "llhls", "dash", "ts", "rtmp")
SEGMENTED = {
    "hls": "index.m3u8", "fmp4": "index.fmp4.m3u8", "llhls": "index.ll.m3u8", "dash": "index.mpd",
}  # fmt: skip
NOBODY = "nobody"
HLS_SECONDS = 14


SRT, RTSP = (pytest.param(one, marks=pytest.mark.long) for one in ("srt", "rtsp"))
VLC, MPV = [*PROTOCOLS, SRT], [*PROTOCOLS, SRT, RTSP]
"""Debian's VLC has no RTSP."""


def address(streamer: FilmStreamer, protocol: str) -> str:
    if protocol in ("rtsp", "srt"):
        port = re.search(rf"^{protocol} .*:(\d+);", streamer.config.read_text(), re.MULTILINE)
        assert port is not None
        return f"{protocol}://127.0.0.1:{port[1]}{'/film' if protocol == 'rtsp' else ''}"
    if protocol in SEGMENTED:
        return f"{streamer.base}/film/{SEGMENTED[protocol]}"
    return streamer.outputs("film")[{"ts": "mpegts", "rtmp": "rtmp"}[protocol]]


@pytest.fixture
async def showing(streamer: FilmStreamer) -> FilmStreamer:
    streamer.write(
        f"rtsp 127.0.0.1:{free_port()};\nsrt 127.0.0.1:{free_port()};\n"
        "stream film { input file://vod/bigbuckbunny.mp4; }\n"
    )
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
            run("gst-launch-1.0", *source, kind, *sink, f"num-buffers={count}", seconds=90)
            for kind, count in (("video/x-raw", 50), ("audio/x-raw", 100))
        )
    )
    for status, out, err in runs:
        assert status == 0, err
        assert "Got EOS" in out


@pytest.mark.skipif(
    not shutil.which("gst-launch-1.0"), reason="no GStreamer: apt install gstreamer1.0-tools"
)
@pytest.mark.parametrize(
    ("protocol", "source"),
    [
        ("hls", ("souphttpsrc", "location={}", "!", "hlsdemux", "!", "decodebin")),
        # The older demultiplexer shows nothing of fragmented MP4 with sound apart.
        ("fmp4", ("uridecodebin3", "uri={}")),
        ("llhls", ("uridecodebin3", "uri={}")),
    ],
)
async def test_gstreamer_plays_hls_in_time(
    streamer: FilmStreamer, protocol: str, source: tuple[str, ...]
) -> None:
    """Pictures are counted until the program is told to end.

    With `num-buffers` it would not: `hlsdemux` of a live playlist takes the end that its sink
    reports for the end of the playlist so far, and waits for more.
    """
    streamer.write("stream film { input fake://fake; segment_duration 1; }\n")
    await streamer.serve()
    await streamer.running("film")
    _, out, err = await run(
        "timeout", "--signal=INT", str(HLS_SECONDS), "gst-launch-1.0", "-v",
        *(one.format(address(streamer, protocol)) for one in source),
        "!", "video/x-raw", "!", "fakesink", "sync=true", "silent=false",
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
@pytest.mark.parametrize("protocol", VLC)
async def test_vlc_plays(showing: FilmStreamer, scenes: Path, protocol: str) -> None:
    """VLC writes each 25th picture that it shows into a file; it has longer on a machine that does
    much else, where it shows fewer of them."""
    user = NOBODY if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    pictures: list[str] = []
    for seconds in (4, 16):
        status, _, err = await run(
            "env", f"HOME={scenes}", "cvlc", "-I", "dummy", "--no-color", "-vv",
            f"--run-time={seconds}", "--play-and-exit", "--vout=dummy", "--aout=adummy",
            "--video-filter=scene", f"--scene-path={scenes}", "--scene-format=png",
            "--scene-ratio=25", "--scene-width=320", "--scene-height=180",
            *(["--streamid=film"] if protocol == "srt" else []), address(showing, protocol),
            seconds=90, user=user if os.getuid() == 0 else None,
        )  # fmt: skip
        assert status == 0, err[-3000:]
        pictures = [name for name in sorted(os.listdir(scenes)) if name.endswith(".png")]
        if len(pictures) >= 2:
            break
    assert len(pictures) >= 2, err[-3000:]
    with av.open(str(scenes / pictures[-1])) as container:
        (picture,) = container.decode(video=0)
    assert picture.to_ndarray(format="gray").std() > 10, "the picture is of one colour"


@pytest.mark.skipif(not shutil.which("mpv"), reason="no mpv: apt install mpv")
@pytest.mark.parametrize("protocol", MPV)
async def test_mpv_plays(showing: FilmStreamer, protocol: str) -> None:
    """It plays in time and says nothing that a viewer would mind."""
    status, out, err = await run(
        "mpv", "--no-config", "--vo=null", "--ao=null", "--length=4",
        "--msg-level=all=error,cplayer=info", "--term-status-msg=",
        address(showing, protocol) + ("?streamid=film" if protocol == "srt" else ""),
        seconds=90,
    )  # fmt: skip
    assert status == 0, err + out
    assert "AO: [null]" in out, out
    assert "VO: [null]" in out, out
