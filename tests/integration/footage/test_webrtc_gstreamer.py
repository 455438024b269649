"""WebRTC with GStreamer's `webrtcbin` (libnice, OpenSSL), as a publisher and as a viewer."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.process import end

from .conftest import FilmStreamer

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).parents[2] / "support/gst_webrtc.py"
NEEDED = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstWebRTC', '1.0');"
    " gi.require_version('GstSdp', '1.0'); from gi.repository import Gst; Gst.init();"
    " assert Gst.ElementFactory.find('webrtcbin') and Gst.ElementFactory.find('nicesrc')"
)
SECONDS = 60

Peer = asyncio.subprocess.Process


@pytest.fixture(scope="module")
def bindings() -> None:
    """Those of `webrtcbin`, for the system's Python, and its ICE."""
    if subprocess.run([PYTHON, "-c", NEEDED], capture_output=True).returncode:
        pytest.skip("no webrtcbin: apt install python3-gi gir1.2-gst-plugins-bad-1.0"
                    " gir1.2-gst-plugins-base-1.0 gstreamer1.0-nice")  # fmt: skip


@pytest.fixture
async def peer(bindings: None) -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    started: list[Peer] = []

    async def start(*words: str) -> Peer:
        pipe = asyncio.subprocess.PIPE
        one = await asyncio.create_subprocess_exec(
            PYTHON, str(SCRIPT), *words, stdin=pipe, stdout=pipe
        )
        started.append(one)
        return one

    yield start
    for one in started:
        await end(one)


async def says(peer: Peer, *wanted: str) -> None:
    """Waits for these lines, in any order."""
    missing, said = set(wanted), list[str]()
    assert peer.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            while missing:
                line = (await peer.stdout.readline()).decode().strip()
                assert line, said
                said.append(line)
                missing.discard(line)
    except TimeoutError:
        raise AssertionError(f"no {missing} after {said}") from None


async def test_gstreamer_publishes_and_gstreamer_watches(
    streamer: FilmStreamer, peer: Callable[..., Awaitable[Peer]]
) -> None:
    streamer.write("stream live { input publish://; segment_duration 1; }\n")
    await streamer.serve()
    publisher = await peer("publish", f"{streamer.base}/live/whip")
    await says(publisher, "answered 201", "connection-state connected")
    state = await streamer.running("live")
    tracks = state["stats"]["media_info"]["tracks"]
    assert sorted(track["codec"] for track in tracks) == ["h264", "opus"]
    viewer = await peer("play", f"{streamer.base}/live/whep")
    await says(viewer, "answered 201", "decoded video", "decoded audio")
