"""RTSP with what clients differ in: AV1, logins, TLS that is checked, IPv6, pushing by UDP."""

import asyncio
import contextlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.certificates import make_chain
from tests.support.players import run
from tests.support.ports import free_port

from .conftest import FilmStreamer

FFMPEG = "tests.support.rtsp_av1"
"""The FFmpeg of the libraries, which is newer than the system's: it knows AV1 in RTP."""
SYSTEM_PYTHON = "/usr/bin/python3"
PICTURES = 20


class Door:
    """Where the streamer speaks RTSP."""

    def __init__(self, streamer: FilmStreamer, root: Path) -> None:
        self.streamer = streamer
        self.root = root
        """The certificate that clients of `rtsps` are to trust."""
        self.plain, self.six, self.tls = free_port(), free_port(), free_port()

    def url(self, name: str, login: str = "") -> str:
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.plain}/{name}"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the root, beside the others."""
    return make_chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture
async def door(streamer: FilmStreamer, chain: Path) -> Door:
    one = Door(streamer, chain)
    files = chain.parent
    streamer.write(
        f"rtsp 127.0.0.1:{one.plain};\n"
        f"rtsp [::1]:{one.six};\n"
        f"rtsps 127.0.0.1:{one.tls} {{ certificate {files / 'streamer.crt'};"
        f" certificate_key {files / 'streamer.key'}; }}\n"
        "auth_backend gate { allow token t0ken; }\n"
        "stream film { input file://vod/bigbuckbunny.mp4; segment_duration 1; }\n"
        "stream shut { input file://vod/bigbuckbunny.mp4; on_play auth://gate; }\n"
        "stream cam { input publish://; password pa55word; }\n"
        "template guest { prefix guest; input publish://; }\n"
    )
    await streamer.serve()
    await streamer.running("film")
    return one


async def frames(url: str, *options: str) -> tuple[int, str]:
    """Exit status of FFmpeg that decodes some pictures, and its words."""
    status, _, err = await run(
        "ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", *options, "-i", url,
        "-frames:v", str(PICTURES), "-an", "-f", "null", "-", seconds=40,
    )  # fmt: skip
    return status, err


async def test_av1_is_published_and_played(door: Door) -> None:
    """By FFmpeg, in both directions and by both transports, while it is published."""
    url = door.url("guest/av1")
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", FFMPEG, "publish", url,
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        state = await door.streamer.running("guest/av1")
        tracks = state["stats"]["media_info"]["tracks"]
        assert [track["codec"] for track in tracks] == ["av1"]
        for transport in ("tcp", "udp"):
            status, out, err = await run(
                sys.executable, "-m", FFMPEG, "play", url, transport, str(PICTURES), seconds=40
            )
            assert status == 0, err
            assert out.split() == ["libdav1d", "320x180", str(PICTURES)], (out, err)
    finally:
        with contextlib.suppress(ProcessLookupError):
            publisher.terminate()
        await publisher.communicate()


async def test_ffmpeg_proves_who_it_is(door: Door) -> None:
    """As Basic, a token in place of the password, where a backend decides; else it is told why."""
    assert await frames(door.url("shut", "x:t0ken")) == (0, "")
    for login, words in {"": "401 Unauthorized", "x:wr0ng": "403 Refused by auth_backend"}.items():
        status, err = await frames(door.url("shut", login))
        assert status, login
        assert words in err, (login, err)
    # By Digest, the password of the stream, to publish; the right one is used in `test_rtsp`.
    status, _, err = await run(
        "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25",
        "-t", "2", "-c:v", "libx264", "-f", "rtsp", "-rtsp_transport", "tcp",
        door.url("cam", "user:wr0ng"), seconds=40,
    )  # fmt: skip
    assert status
    assert "403 The password of the stream is wrong" in err, err
    assert "wr0ng" not in door.streamer.log
    assert "t0ken" not in door.streamer.log


@pytest.mark.parametrize(("password", "is_let_in"), [("t0ken", True), ("wr0ng", False)])
async def test_gstreamer_proves_who_it_is(door: Door, password: str, is_let_in: bool) -> None:
    _, _, err = await run(
        "gst-launch-1.0", "-q", "rtspsrc", f"location={door.url('shut')}", "protocols=tcp",
        "user-id=x", f"user-pw={password}", "!", "rtph264depay", "!", "h264parse", "!",
        "identity", f"eos-after={PICTURES}", "!", "fakesink", seconds=40,
    )  # fmt: skip
    assert ("Refused by auth_backend gate (403)" not in err) == is_let_in, err


async def test_a_certificate_is_checked(door: Door) -> None:
    """By openssl and by GStreamer: it is trusted by who trusts the root, and by nobody else."""
    for trusted, works in ((("-CAfile", str(door.root)), True), (("-no-CAfile",), False)):
        status, out, err = await run(
            "openssl", "s_client", "-connect", f"127.0.0.1:{door.tls}", "-verify_return_error",
            "-verify_ip", "127.0.0.1", "-no-CApath", *trusted, seconds=40,
        )  # fmt: skip
        assert (status == 0) == works, err
        assert ("Verify return code: 0 (ok)" in out) == works, out
    url = f"rtsps://127.0.0.1:{door.tls}/film"
    words = (SYSTEM_PYTHON, "-m", "tests.support.gst_rtsps", url)
    _, out, err = await run(*words, str(door.root), seconds=40)
    assert out.split() == ["played"], (out, err)
    _, out, _ = await run(*words, seconds=40)
    assert out.startswith("refused"), out


@pytest.mark.parametrize(("family", "transport"), [(4, "udp"), (6, "tcp"), (6, "udp")])
async def test_gstreamer_publishes(door: Door, family: int, transport: str) -> None:
    """And FFmpeg watches it, over the same family of addresses and by the same transport."""
    if shutil.which("gst-inspect-1.0") is None:
        pytest.skip("no GStreamer: apt install gstreamer1.0-tools")
    name = f"guest/{transport}{family}"
    url = door.url(name) if family == 4 else f"rtsp://[::1]:{door.six}/{name}"
    process = await asyncio.create_subprocess_exec(
        "gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "!",
        "video/x-raw,width=320,height=180,framerate=25/1", "!", "openh264enc", "gop-size=25",
        "!", "h264parse", "!", "rtspclientsink", f"location={url}",
        f"protocols={transport}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await door.streamer.running(name)
        status, err = await frames(url, "-rtsp_transport", transport)
        assert status == 0, (err, door.streamer.log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


TONE_HZ, OTHER_HZ, RATE = 440, 1000, 48_000


def tones(file: Path) -> list[int]:
    """The loudest frequency of each channel of two seconds of stereo (F32LE), in Hz."""
    sound = np.fromfile(file, np.float32).reshape(-1, 2)[-RATE:]  # an encoder begins softly
    assert len(sound) == RATE
    return [int(np.abs(np.fft.rfft(channel)).argmax()) for channel in sound.T]


async def test_opus_is_published_and_heard(door: Door, tmp_path: Path) -> None:
    """Of GStreamer, by FFmpeg and by GStreamer: two channels that are not the same (RFC 7587)."""
    status, _, _ = await run("gst-inspect-1.0", "rtspclientsink", seconds=30)
    if status:
        pytest.skip("no rtspclientsink: apt install gstreamer1.0-rtsp")
    url = door.url("guest/opus")
    source = "audiotestsrc is-live=true freq={} ! audio/x-raw,rate=48000,channels=1 ! queue ! mix."
    left, right = (source.format(hertz).split() for hertz in (TONE_HZ, OTHER_HZ))
    publisher = await asyncio.create_subprocess_exec(
        "gst-launch-1.0", "-q", "interleave", "name=mix", "!",
        "capssetter", "caps=audio/x-raw,channel-mask=(bitmask)3", "!", "audioconvert", "!",
        "opusenc", "bitrate=128000", "!",
        "rtspclientsink", f"location={url}", "protocols=tcp", *left, *right,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        state = await door.streamer.running("guest/opus")
        (track,) = state["stats"]["media_info"]["tracks"]
        assert (track["codec"], track["channels"]) == ("opus", 2)
        for transport in ("tcp", "udp"):
            decoded = tmp_path / f"{transport}.f32"
            status, _, err = await run(
                "ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", transport, "-i", url,
                "-t", "2", "-ac", "2", "-ar", str(RATE), "-f", "f32le", str(decoded), seconds=40,
            )  # fmt: skip
            assert status == 0, err
            assert tones(decoded) == [TONE_HZ, OTHER_HZ], transport
        decoded = tmp_path / "gst.f32"
        buffers = 100  # of 20 ms each
        _, _, err = await run(
            "gst-launch-1.0", "-q", "rtspsrc", f"location={url}", "protocols=tcp", "!",
            "rtpopusdepay", "!", "opusdec", "!", "audioconvert", "!",
            f"audio/x-raw,format=F32LE,channels=2,rate={RATE}", "!",
            "identity", f"eos-after={buffers}", "!", "filesink", f"location={decoded}", seconds=40,
        )  # fmt: skip
        assert tones(decoded) == [TONE_HZ, OTHER_HZ], err
    finally:
        with contextlib.suppress(ProcessLookupError):
            publisher.terminate()
        await publisher.communicate()
