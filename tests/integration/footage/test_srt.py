"""SRT with FFmpeg and GStreamer as they come: publishing, watching, sources, refusals."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.support import asking
from tests.support.players import complaints, play, run
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer, Launch, live

IN, OUT = "of-the-publisher", "of-the-players-1"


class Port:
    """The streamer's SRT port."""

    def __init__(self, streamer: FilmStreamer) -> None:
        self.number = free_port()
        self.own = free_port()
        """Where the stream `secret` alone is published."""
        self.streamer = streamer

    def url(self, stream_id: str) -> str:
        return f"srt://127.0.0.1:{self.number}?streamid={stream_id}"

    def write(self, more: str = "") -> None:
        self.streamer.write(
            f"srt 127.0.0.1:{self.number};\n"
            "auth_backend gate { allow token t0ken; }\n"
            "stream cam { input publish://; password pa55word; segment_duration 1; }\n"
            "stream good { input fake://fake; segment_duration 1; }\n"
            "stream shut { input fake://fake; on_play auth://gate; }\n"
            "stream hls_only { input fake://fake; protocols hls; }\n"
            "stream secret { input publish://; segment_duration 1;"
            f" srt_publish {{ port 127.0.0.1:{self.own}; passphrase {IN}; latency 250; }}"
            f" srt_play {{ passphrase {OUT}; }} }}\n{more}"
        )


@pytest.fixture
async def srt(streamer: FilmStreamer) -> Port:
    port = Port(streamer)
    port.write()
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


async def test_a_port_and_passphrases_of_a_stream(srt: Port, film: Path, launch: Launch) -> None:
    target = f"srt://127.0.0.1:{srt.own}?passphrase={IN}&pbkeylen=32&pkt_size=1316"
    await launch(*live(film), "-f", "mpegts", target)
    await srt.streamer.running("secret")
    seen = await play(f"{srt.url('secret')}&passphrase={OUT}&pbkeylen=24", 2)
    assert not complaints(seen, 25, ("video", "audio")), srt.streamer.log
    for passphrase in ("", f"&passphrase={IN}"):
        status, _, err = await run(
            "ffprobe", "-v", "error", f"{srt.url('secret')}{passphrase}", seconds=30
        )
        assert status != 0, passphrase
        assert "assword" in err or "assphrase" in err, err

    # That somebody publishes is told to who knows the passphrase: the second time by its code.
    for _ in range(2):
        stranger = await asking.srt(srt.own, "#!::m=publish", "of-nobody-here")
        assert stranger.status == 0, stranger
        assert "incorrect passphrase" in stranger.words, stranger
    with pytest.raises(AssertionError, match="let in"):
        await asking.srt(srt.own, "#!::m=publish", IN)

    async def told() -> bool:
        return "Another publisher is sending this stream" in srt.streamer.log

    await until(told, "the log says why he was put out")
    assert (await asking.srt(srt.own, "#!::m=publish", IN)).status == 409
    assert "stream - refused" not in srt.streamer.log, "the port says which stream it is"

    async def measured() -> bool:
        found = (await srt.streamer.stream("secret"))["stats"]["input"].get("srt", {})
        return found.get("packets", 0) > 0 and found["latency"] == 250 and "rtt" in found

    await until(measured, "the figures of the connection are told")
    for word in (IN, OUT):
        assert word not in srt.streamer.log
        assert word not in str(await srt.streamer.api("GET", "/sessions"))
        assert word not in str((await srt.streamer.stream("secret"))["stats"])


async def test_second_ports(srt: Port, film: Path, launch: Launch) -> None:
    """`srt2`, `srt2_publish` and `srt2_play`, of the server and of a stream."""
    both, into, out, own = (free_port() for _ in range(4))
    srt.write(
        "stream open { input publish://; segment_duration 1;"
        f" srt2_play {{ port 127.0.0.1:{own}; passphrase of-this-stream; }} }}\n"
        f"srt2 127.0.0.1:{both};\n"
        f"srt2_publish {{ port 127.0.0.1:{into}; passphrase {IN}; latency 200; }}\n"
        f"srt2_play {{ port 127.0.0.1:{out}; passphrase {OUT}; }}\n"
    )
    await srt.streamer.serve()
    target = f"srt://127.0.0.1:{into}?streamid=#!::r=open&passphrase={IN}&pkt_size=1316"
    await launch(*live(film), "-f", "mpegts", target)
    await srt.streamer.running("open")
    for port, stream_id, passphrase in (
        (both, "open", "of-this-stream"),
        (own, "", "of-this-stream"),
        (out, "good", OUT),
    ):
        message = await asking.srt_message(port, stream_id, passphrase)
        assert set(message[::188]) == {0x47}, (port, srt.streamer.log)
    assert (await asking.srt(into, "#!::r=good,m=request")).status == 403
    assert (await asking.srt(out, "#!::r=open,m=publish")).status == 403


async def test_a_source(srt: Port, film: Path, launch: Launch) -> None:
    target = f"srt://127.0.0.1:{srt.own}?passphrase={IN}&pkt_size=1316"
    publisher = await launch(*live(film), "-f", "mpegts", target)
    source = f"srt://127.0.0.1:{srt.number}"
    srt.write(
        f"stream pulled {{ input {source}?streamid=#!::r=secret passphrase={OUT};"
        " input fake://fake; source_timeout 3; segment_duration 1; }\n"
        f"stream locked {{ input {source} streamid=secret passphrase=another-one-1; }}\n"
    )
    await srt.streamer.serve()

    async def shows(scheme: str) -> bool:
        stats = (await srt.streamer.stream("pulled")).get("stats", {})
        return bool(stats.get("alive")) and stats.get("input", {}).get("proto") == scheme

    await until(lambda: shows("srt"), "the source is shown", 60)
    seen = await play(f"{srt.streamer.base}/pulled/mpegts", 2)
    assert not complaints(seen, 25, ("video", "audio")), srt.streamer.log

    async def refused() -> bool:
        error = (await srt.streamer.stream("locked"))["stats"].get("source_error", "")
        return "passphrase" in error and "another-one-1" not in error

    await until(refused, "the source with a wrong passphrase says why not", 60)
    publisher.terminate()
    await until(lambda: shows("fake"), "the next input takes over", 60)
    assert OUT not in srt.streamer.log


async def test_gstreamer_publishes_to_a_port_that_a_reload_opened(srt: Port) -> None:
    late = free_port()
    srt.write(f"stream late {{ input publish://; srt 127.0.0.1:{late}; segment_duration 1; }}\n")
    await srt.streamer.serve()
    process = await asyncio.create_subprocess_exec(
        "gst-launch-1.0", "-q", "srtsrc", f"uri=srt://127.0.0.1:{srt.number}",
        "streamid=#!::r=good,m=request", "!", "srtsink", f"uri=srt://127.0.0.1:{late}",
        "streamid=#!::m=publish", "wait-for-connection=false",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await srt.streamer.running("late")
        seen = await play(f"srt://127.0.0.1:{late}?streamid=#!::m=request", 1)
        assert not complaints(seen, 25, ("video", "audio")), srt.streamer.log
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


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
    "": "The stream id names no stream",
    "x" * 400 + "/../": "refused",
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
