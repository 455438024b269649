"""SRT with FFmpeg and GStreamer as they come: publishing, watching, refusals."""

import asyncio
from pathlib import Path

import pytest

from tests.support.players import complaints, play, run
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer, Launch, live


class Port:
    """The streamer's SRT port."""

    def __init__(self, streamer: FilmStreamer) -> None:
        self.number = free_port()
        self.streamer = streamer

    def url(self, stream_id: str) -> str:
        return f"srt://127.0.0.1:{self.number}?streamid={stream_id}"


@pytest.fixture
async def srt(streamer: FilmStreamer) -> Port:
    port = Port(streamer)
    streamer.write(
        f"listeners {{ srt 127.0.0.1:{port.number}; }}\n"
        "auth_backend gate { allow token t0ken; }\n"
        "stream cam { input publish://; password pa55word; segment_duration 1; }\n"
        "stream good { input fake://fake; segment_duration 1; }\n"
        "stream shut { input fake://fake; on_play auth://gate; }\n"
        "stream hls_only { input fake://fake; protocols hls; }\n"
    )
    await streamer.serve()
    await streamer.running("good")
    return port


async def test_ffmpeg_publishes_and_watches(srt: Port, film: Path, launch: Launch) -> None:
    target = srt.url("#!::r=cam,m=publish,password=pa55word")
    publisher = await launch(*live(film), "-f", "mpegts", f"{target}&pkt_size=1316")
    await srt.streamer.running("cam")
    for stream_id in ("#!::r=cam,m=request", "cam", "read:cam"):
        seen = await play(srt.url(stream_id), 2)
        assert not complaints(seen, 25, ("video", "audio")), (stream_id, srt.streamer.log)
    publisher.terminate()
    await publisher.wait()

    async def left() -> bool:
        _, found = await srt.streamer.api("GET", "/sessions")
        return not found["sessions"]

    await until(left, "the sessions of SRT peers are over")


async def test_gstreamer_watches(srt: Port) -> None:
    status, _, err = await run(
        "gst-launch-1.0", "-q", "srtsrc", f"uri=srt://127.0.0.1:{srt.number}",
        "streamid=#!::r=good,m=request", "!", "tsdemux", "!", "h264parse", "!", "avdec_h264",
        "!", "fakesink", "num-buffers=50", seconds=40,
    )  # fmt: skip
    assert status == 0, (err, srt.streamer.log)


REFUSED = {
    "#!::r=nope,m=request": "There is no stream 'nope'",
    "#!::r=cam,m=publish": "password",
    "#!::r=cam,m=publish,password=wrong": "password",
    "#!::r=good,m=publish": "takes no publisher",
    "#!::r=shut,m=request": "refused",
    "#!::r=hls_only,m=request": "may not be played by srt",
    "#!::r=good,m=bidirectional": "mode 'bidirectional' is not served",
    "": "stream id '' refused",
}


async def test_refusals_are_rejections(srt: Port) -> None:
    for stream_id, words in REFUSED.items():
        status, _, err = await run(
            "ffprobe", "-v", "error", "-timeout", "5000000", srt.url(stream_id), seconds=20
        )
        assert status != 0, stream_id
        assert "REJECT" in err, (stream_id, err)
        assert words in srt.streamer.log, stream_id
    assert "pa55word" not in srt.streamer.log
    assert not complaints(await play(srt.url("good"), 1), 25, ("video", "audio"))


async def test_garbage_on_the_port(srt: Port) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", srt.number)
    )
    for size in range(2000):
        transport.sendto(bytes(n & 0xFF for n in range(size % 200)))
    transport.close()
    assert not complaints(await play(srt.url("good"), 1), 25, ("video", "audio"))
