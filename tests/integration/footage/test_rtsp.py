"""Watching by RTSP with FFmpeg and GStreamer, by TCP and UDP; refusals in words."""

import asyncio

import pytest

from tests.support.players import complaints, play, run
from tests.support.ports import free_port

from .conftest import FilmStreamer


class Port:
    """The streamer's RTSP port."""

    def __init__(self, streamer: FilmStreamer) -> None:
        self.number = free_port()
        self.streamer = streamer

    def url(self, name: str) -> str:
        return f"rtsp://127.0.0.1:{self.number}/{name}"


@pytest.fixture
async def rtsp(streamer: FilmStreamer) -> Port:
    port = Port(streamer)
    streamer.write(
        f"rtsp 127.0.0.1:{port.number};\n"
        "auth_backend gate { allow token t0ken; }\n"
        "stream film { input file://vod/bigbuckbunny.mp4; segment_duration 1; }\n"
        "stream shut { input fake://fake; on_play auth://gate; }\n"
        "stream hls_only { input fake://fake; protocols hls; }\n"
    )
    await streamer.serve()
    await streamer.running("film")
    return port


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_watches(rtsp: Port, transport: str) -> None:
    seen = await play(rtsp.url("film"), 3, "-rtsp_transport", transport)
    assert not complaints(seen, 25, ("video", "audio")), rtsp.streamer.log


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_gstreamer_watches(rtsp: Port, transport: str) -> None:
    status, _, err = await run(
        "gst-launch-1.0", "-q", "rtspsrc", f"location={rtsp.url('film')}",
        f"protocols={transport}", "!", "rtph264depay", "!", "h264parse", "!", "avdec_h264",
        "!", "fakesink", "num-buffers=50", seconds=40,
    )  # fmt: skip
    assert status == 0, (err, rtsp.streamer.log)


async def ask(rtsp: Port, method: str, name: str, head: str = "", body: str = "") -> str:
    """The answer to one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rtsp.number)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    request = f"{method} {rtsp.url(name)} RTSP/1.0\r\nCSeq: 7\r\n{head}{length}\r\n{body}"
    writer.write(request.encode())
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer.decode()


REFUSED = {
    ("DESCRIBE", "nope", ""): "404 There is no stream 'nope'",
    ("DESCRIBE", "hls_only", ""): "401 The stream may not be played by rtsp",
    ("DESCRIBE", "shut", ""): "401 ",
    ("DESCRIBE", "film", "Accept: text/html\r\n"): "406 Descriptions are application/sdp",
    ("SETUP", "film/trackID=9", "Transport: RTP/AVP/TCP;interleaved=0-1\r\n"): "404 ",
    ("SETUP", "film/trackID=0", "Transport: RTP/AVP;multicast\r\n"): "461 ",
    ("PLAY", "film", ""): "454 There is no such session",
    ("ANNOUNCE", "film", ""): "501 Publishing by RTSP is not served",
    ("DANCE", "film", ""): "501 DANCE is not known here",
}


async def test_refusals_say_why(rtsp: Port) -> None:
    for (method, name, head), words in REFUSED.items():
        answer = await ask(rtsp, method, name, head)
        assert answer.startswith(f"RTSP/1.0 {words}"), (method, name, answer)
        assert "CSeq: 7" in answer
    answer = await ask(rtsp, "DESCRIBE", "shut?token=t0ken")
    assert answer.startswith("RTSP/1.0 200"), answer
    answer = await ask(rtsp, "OPTIONS", "film")
    assert "ANNOUNCE" not in answer


async def test_garbage_ends_its_own_connection_only(rtsp: Port) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01" * 50, b"GET / HTTP/1.1\r\n\r\n", b"X" * 70_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", rtsp.number)
        writer.write(data + b"\r\n\r\n")
        async with asyncio.timeout(20):
            try:
                await reader.read()
            except ConnectionError:
                continue
            finally:
                writer.close()
    assert not complaints(await play(rtsp.url("film"), 3), 25, ("video", "audio"))
