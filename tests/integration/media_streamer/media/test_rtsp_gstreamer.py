"""A source by RTSP of GStreamer's server: Digest, sound as MP4A-LATM, both ways of packets."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.support.rtsp_camera import SECONDS, until
from tests.support.rtsp_pull import error_of, pulling

PYTHON = "/usr/bin/python3"
BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0')"
SCRIPT = Path(__file__).parents[3] / "support/gst_rtsp_server.py"


@pytest.fixture(scope="module")
def bindings() -> None:
    """Those of GStreamer's RTSP server, for the system's Python."""
    if subprocess.run([PYTHON, "-c", BINDINGS], capture_output=True).returncode:
        pytest.skip("no bindings: apt install python3-gi gir1.2-gst-rtsp-server-1.0")


@pytest.fixture
async def port(bindings: None, bunny: Path, launch) -> int:
    pipe = asyncio.subprocess.PIPE
    server = await launch(PYTHON, SCRIPT, bunny, "user", "pa55word", stdout=pipe)
    return int(await asyncio.wait_for(server.stdout.readline(), SECONDS))


async def test_the_server_of_gstreamer(port: int) -> None:
    place = f"user:pa55word@127.0.0.1:{port}/film"
    async with pulling(f"rtsp://{place}") as (within, first):
        async with pulling(f"rtsp-udp://{place}") as (_, second):
            for taken in (first, second):
                await until(lambda one=taken: len(one.frames) > 150, "frames of both tracks")
                assert [track.codec for track in taken.tracks] == ["h264", "aac"]
                await until(lambda one=taken: any(one.ages), "sender reports with its wall clock")
        assert within.reception is not None
        assert within.reception.lost == 0
        # The film ends, and with it the session.
        assert await error_of(first) == "the source ended"
    async with pulling(f"rtsp://user:other@127.0.0.1:{port}/film") as (_, taken):
        words = await error_of(taken)
        assert "401 Unauthorized: check user and password" in words
        assert "other" not in words


async def test_a_transport_stream_in_rtp(port: int) -> None:
    place = f"user:pa55word@127.0.0.1:{port}/transport"
    async with pulling(f"rtsp://{place}") as (within, first):
        async with pulling(f"rtsp-udp://{place}", pids=[65]) as (_, second):
            await until(lambda: len(first.frames) > 150, "frames of both tracks")
            await until(lambda: len(second.frames) > 50, "frames of one PID by UDP")
            assert [track.codec for track in first.tracks] == ["h264", "aac"]
            assert len(second.tracks) == 1
        assert within.reception is not None
        assert within.reception.lost == 0
        assert within.alive
        assert await error_of(first) == "the source ended"
        assert not within.alive
    async with pulling(f"rtsp://{place}", programs=[77]) as (_, taken):
        assert await error_of(taken) == "the source has no program 77 (programs)"
    async with pulling(f"rtsp://user:pa55word@127.0.0.1:{port}/film", programs=[1]) as (_, taken):
        assert await error_of(taken) == "programs: the source sends no transport stream"
