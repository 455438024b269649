"""RTSP with FFmpeg and GStreamer, by TCP and UDP: watching, publishing, refusals in words."""

import asyncio
import contextlib
import signal
import struct
from pathlib import Path

import pytest
from media_streamer.digest import response
from media_streamer.rtp.packet import write as write_packet

from tests.support.lossy_path import SOCKET_BYTES
from tests.support.players import Played, complaints, play, run
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer, Launch, live


async def watch(url: str, seconds: float, transport: str) -> Played:
    """What FFmpeg plays. RTP has no decoding times: of its own guesses the first may come twice.

    Its socket holds 90 packets of a picture by default: too few where FFmpeg waits for CPU time.
    """
    seen = await play(url, seconds, "-rtsp_transport", transport, "-buffer_size", str(SOCKET_BYTES))
    if video := seen.dts.get("video"):
        del video[0]
    return seen


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
        "stream cam { input publish://; password pa55word; source_timeout 3;"
        " segment_duration 1; }\n"
        "stream guest { input publish://; on_publish auth://gate; segment_duration 1; }\n"
        "template sound { prefix sound; input publish://; }\n"
        f"ondemand again {{ input rtsp://x:t0ken@127.0.0.1:{port.number}/shut; }}\n"
        f"ondemand by_udp {{ input rtsp-udp://127.0.0.1:{port.number}/film; }}\n"
    )
    await streamer.serve()
    await streamer.running("film")
    return port


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_ffmpeg_watches(rtsp: Port, transport: str) -> None:
    seen = await watch(rtsp.url("film"), 3, transport)
    assert not complaints(seen, 25, ("video", "audio")), rtsp.streamer.log


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_gstreamer_watches(rtsp: Port, transport: str, tmp_path: Path) -> None:
    """It decodes what it asked for. How it leaves is its own: now and then one of its threads
    closes the connection while another one says PAUSE on it, which it reports as an error."""
    pictures, shown = 50, tmp_path / "pictures"
    _, _, err = await run(
        "gst-launch-1.0", "-q", "rtspsrc", f"location={rtsp.url('film')}",
        f"protocols={transport}", "!", "rtph264depay", "!", "h264parse", "!", "avdec_h264",
        "!", "videoconvert", "!", "videoscale", "!", "video/x-raw,format=GRAY8,width=64,height=36",
        "!", "identity", f"eos-after={pictures + 1}", "!", "filesink", f"location={shown}",
        seconds=40,
    )  # fmt: skip
    assert shown.stat().st_size >= pictures * 64 * 36, (err, rtsp.streamer.log)


async def test_streams_of_another_server_are_sources(rtsp: Port) -> None:
    """Our own one here: with a token as the password of Basic, and by UDP."""
    seen = await play(f"{rtsp.streamer.base}/by_udp/mpegts", 3)
    assert not complaints(seen, 25, ("video", "audio")), rtsp.streamer.log
    stats = (await rtsp.streamer.stream("by_udp"))["stats"]
    assert stats["input"]["errors_lost_packets"] == 0, rtsp.streamer.log
    seen = await play(f"{rtsp.streamer.base}/again/mpegts", 2)
    assert {"video", "audio"} <= set(seen.dts), (seen.errors, rtsp.streamer.log)
    assert not seen.backward_steps()
    assert "t0ken" not in rtsp.streamer.log


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


async def test_some_of_the_tracks(rtsp: Port) -> None:
    seen = await watch(rtsp.url("film?tracks=v1"), 1, "tcp")
    assert not complaints(seen, 25, ("video",)), rtsp.streamer.log
    seen = await watch(rtsp.url("film?filter.tracks=a1"), 1, "udp")
    assert not complaints(seen, 25, ("audio",)), rtsp.streamer.log
    answer = await ask(rtsp, "DESCRIBE", "film?tracks=v7")
    assert answer.startswith("RTSP/1.0 404 The stream has no track v7; it has v1, a1")


async def test_pause(rtsp: Port) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rtsp.number)

    async def request(method: str, path: str = "", head: str = "") -> str:
        """The answer, whatever packets come before it."""
        writer.write(
            f"{method} {rtsp.url('film')}{path} RTSP/1.0\r\nCSeq: 9\r\n{head}\r\n".encode()
        )
        async with asyncio.timeout(30):
            while (first := await reader.readexactly(1)) == b"$":
                await packet(first)
            return (first + await reader.readuntil(b"\r\n\r\n")).decode()

    async def packet(first: bytes = b"") -> tuple[int, bytes]:
        async with asyncio.timeout(30):
            head = first + await reader.readexactly(4 - len(first))
            assert head[:1] == b"$", head
            return head[1], await reader.readexactly(int.from_bytes(head[2:]))

    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
    assert "200 OK" in await request("SETUP", "/trackID=0", transport)
    for _ in range(2):
        assert "200 OK" in await request("PLAY")
        # A sender report comes first: what follows has its time.
        channel, data = await packet()
        assert (channel, data[1]) == (1, 200)
        channel, data = await packet()
        assert (channel, data[1] & 0x7F) == (0, 96)
        assert "200 OK" in await request("PAUSE")
        assert "200 OK" in await request("GET_PARAMETER")
    answer = await request("PAUSE")
    assert answer.startswith("RTSP/1.0 455"), answer
    assert "200 OK" in await request("TEARDOWN")
    writer.close()
    await gone(rtsp, "film")


REFUSED = {
    ("DESCRIBE", "nope", ""): "404 There is no stream 'nope'",
    ("DESCRIBE", "hls_only", ""): "403 The stream may not be played by rtsp",
    ("DESCRIBE", "shut", ""): "401 ",
    ("DESCRIBE", "film", "Accept: text/html\r\n"): "406 Descriptions are application/sdp",
    ("SETUP", "film/trackID=9", "Transport: RTP/AVP/TCP;interleaved=0-1\r\n"): "404 ",
    ("SETUP", "film/trackID=0", "Transport: RTP/AVP;multicast\r\n"): "461 ",
    ("PLAY", "film", ""): "454 There is no such session",
    ("PLAY", "film", "Session: 1\r\n"): "454 There is no such session",
    ("RECORD", "cam", ""): "454 There is no such session",
    ("ANNOUNCE", "cam", ""): "415 ANNOUNCE carries application/sdp",
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
    assert "ANNOUNCE" in answer
    assert "RECORD" in answer


SDP = "Content-Type: application/sdp\r\n"
VIDEO = "v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:video\r\n"
NOT_ANNOUNCED = {
    "v=0\r\n": "400 The description cannot be read: no media",
    "\xff" * 300: "400 The description cannot be read",
    "m=video 0 RTP/AVP 96\r\n" * 100: "400 The description cannot be read: more than 64 media",
    VIDEO.replace("H264", "VC1"): "415 No track has a codec that is known here: VC1",
}


async def test_bad_descriptions_are_refused(rtsp: Port) -> None:
    for body, words in NOT_ANNOUNCED.items():
        answer = await ask(rtsp, "ANNOUNCE", "cam?password=pa55word", SDP, body)
        assert answer.startswith(f"RTSP/1.0 {words}"), (body[:50], answer)
    for name, words in {
        "film": "403 The stream takes no publisher",
        "cam": "401 The password of the stream is wrong or missing",
        "cam?password=wrong": "401 ",
        "guest": "401 ",
    }.items():
        answer = await ask(rtsp, "ANNOUNCE", name, SDP, VIDEO)
        assert answer.startswith(f"RTSP/1.0 {words}"), (name, answer)
    assert "pa55word" not in rtsp.streamer.log


async def gone(rtsp: Port, name: str) -> None:
    async def left() -> bool:
        _, found = await rtsp.streamer.api("GET", "/sessions")
        return all(one["name"] != name for one in found["sessions"])

    await until(left, f"the sessions of {name} are over")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_publishes(rtsp: Port, film: Path, launch: Launch, transport: str) -> None:
    # FFmpeg is asked for the password, and proves it by Digest.
    url = rtsp.url("cam").replace("//", "//user:pa55word@")
    publisher = await launch(*live(film), "-f", "rtsp", "-rtsp_transport", transport, url)
    await rtsp.streamer.running("cam")
    seen = await watch(rtsp.url("cam"), 3, "tcp")
    assert not complaints(seen, 25, ("video", "audio")), rtsp.streamer.log
    stats = (await rtsp.streamer.stream("cam"))["stats"]
    assert stats["input"]["errors_lost_packets"] == 0, rtsp.streamer.log
    # Another one is told why not.
    answer = await ask(rtsp, "ANNOUNCE", "cam?password=pa55word", SDP, VIDEO)
    assert answer.startswith("RTSP/1.0 409 Another publisher is sending this stream"), answer
    # Who falls silent is let go after source_timeout.
    publisher.send_signal(signal.SIGSTOP)
    await gone(rtsp, "cam")
    assert "source_timeout" in rtsp.streamer.log


SOUNDS = {
    "pcma": ("pcm_alaw", "-ar", "8000"),
    "pcmu": ("pcm_mulaw", "-ar", "8000"),
    "mp2a": ("mp2", "-ar", "44100"),
    "mp3": ("libmp3lame", "-ar", "44100"),
}


async def test_sound_of_telephones_and_of_broadcast(rtsp: Port, launch: Launch) -> None:
    words: list[object] = ["-re", "-f", "lavfi", "-i", "sine=frequency=440"]
    for name, (encoder, *options) in SOUNDS.items():
        words += ["-map", "0:a", "-ac", "1", "-c:a", encoder, *options, "-f", "rtsp",
                  "-rtsp_transport", "tcp", rtsp.url(f"sound/{name}")]  # fmt: skip
    await launch(*words)
    for name in SOUNDS:
        found = await rtsp.streamer.running(f"sound/{name}")
        tracks = found["stats"]["media_info"]["tracks"]
        assert [track["codec"] for track in tracks] == [name], rtsp.streamer.log
    seen = await asyncio.gather(*(watch(rtsp.url(f"sound/{name}"), 1, "tcp") for name in SOUNDS))
    for name, played in zip(SOUNDS, seen, strict=True):
        assert len(played.dts["audio"]) > 20, (name, played.errors, rtsp.streamer.log)


async def test_gstreamer_publishes(rtsp: Port) -> None:
    status, _, _ = await run("gst-inspect-1.0", "rtspclientsink", seconds=30)
    if status:
        pytest.skip("no rtspclientsink: apt install gstreamer1.0-rtsp")
    process = await asyncio.create_subprocess_exec(
        "gst-launch-1.0", "-q",
        "rtspsrc", f"location={rtsp.url('film')}", "protocols=tcp", "name=d",
        "rtspclientsink", "name=s", f"location={rtsp.url('guest')}", "protocols=tcp",
        "user-id=x", "user-pw=t0ken",
        "d.", "!", "rtph264depay", "!", "h264parse", "!", "queue", "!", "s.",
        "d.", "!", "rtpmp4gdepay", "!", "aacparse", "!", "queue", "!", "s.",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await rtsp.streamer.running("guest")
        seen = await play(f"{rtsp.streamer.base}/guest/mpegts", 3)
        # GStreamer stamps what it relays by its arrival: the steps between pictures vary.
        assert set(seen.dts) == {"video", "audio"}, (seen.errors, rtsp.streamer.log)
        assert len(seen.dts["video"]) > 50, (seen.errors, rtsp.streamer.log)
        assert not seen.backward_steps()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()
    await gone(rtsp, "guest")


async def test_garbage_of_a_publisher(rtsp: Port) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rtsp.number)

    async def request(method: str, path: str, head: str = "", body: str = "") -> str:
        url = rtsp.url(f"cam{path}")
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{method} {url} RTSP/1.0\r\nCSeq: 1\r\n{head}{length}\r\n{body}".encode())
        async with asyncio.timeout(30):
            while (first := await reader.readexactly(1)) == b"$":  # a report of the server
                _, size = struct.unpack(">BH", await reader.readexactly(3))
                await reader.readexactly(size)
            return (first + await reader.readuntil(b"\r\n\r\n")).decode()

    answer = await request("ANNOUNCE", "", SDP, VIDEO)
    assert "WWW-Authenticate: Digest" in answer, answer
    nonce = answer.partition('nonce="')[2].partition('"')[0]
    fields = {"username": "x", "realm": "media-server", "nonce": nonce, "uri": rtsp.url("cam")}
    fields["response"] = response(
        "x", fields["realm"], "pa55word", "ANNOUNCE", fields["uri"], fields
    )
    proof = "Authorization: Digest " + ", ".join(f'{k}="{v}"' for k, v in fields.items()) + "\r\n"
    answer = await request("ANNOUNCE", "", SDP + proof, VIDEO)
    assert answer.startswith("RTSP/1.0 200"), answer
    answer = await request("SETUP", "/sound", "Transport: RTP/AVP;multicast;mode=record\r\n")
    assert answer.startswith("RTSP/1.0 461"), answer
    answer = await request("SETUP", "/video", "Transport: RTP/AVP/TCP;interleaved=4-5\r\n")
    assert "interleaved=4-5" in answer, answer
    answer = await request("RECORD", "")
    assert answer.startswith("RTSP/1.0 200"), answer
    for number in range(2000):
        data = bytes((number * n) & 0xFF for n in range(number % 90))
        packet = write_packet(96, number % 3 == 0, number * 7, number * 3000, 1, data)
        for channel, what in ((4, packet), (4, data), (5, data), (9, data)):
            writer.write(bytes((0x24, channel)) + len(what).to_bytes(2, "big") + what)
    await writer.drain()
    answer = await request("TEARDOWN", "")
    assert "RTSP/1.0 200" in answer, answer
    writer.close()
    await gone(rtsp, "cam")
    assert not complaints(await watch(rtsp.url("film"), 1, "tcp"), 25, ("video", "audio"))


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
    assert not complaints(await watch(rtsp.url("film"), 3, "tcp"), 25, ("video", "audio"))
