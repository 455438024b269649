"""RTMP of a real worker process: ffmpeg, ffprobe and FFmpeg 8 (PyAV) as clients, and rude peers."""

import asyncio
import contextlib
import io
import json
import struct
import sys
import time
from pathlib import Path
from typing import ClassVar

import av
import pytest
from media_streamer.media.inputs.sample_probe import as_flv
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import (
    COMMAND,
    OUT_CHUNK_BYTES,
    VIDEO,
    ChunkReader,
    Message,
    write_message,
)
from media_streamer.wire.control import CloseSession
from media_streamer.wire.media import PublishedFrame

from tests.support.process import end


async def run(*command, seconds=30):
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        await end(process)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def rtmp(egress, new_port):
    """The worker with an RTMP port; gives its URL."""
    port = new_port()
    listeners = {
        "http": [{"address": "127.0.0.1", "port": egress.port, "api": True}],
        "rtmp": [{"address": "127.0.0.1", "port": port}],
    }
    assert await egress.listen(**listeners) == []
    yield f"rtmp://127.0.0.1:{port}"
    while Client.opened:
        client = Client.opened.pop()
        client.writer.close()
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()


class Client:
    """A peer that says what it is told to; the fixture closes it."""

    opened: ClassVar[list["Client"]] = []

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.chunks = ChunkReader(1 << 24)
        self.messages: list[Message] = []
        self.seen: list[Message] = []
        self.opened.append(self)

    @classmethod
    async def open(cls, url, app="live", **options):
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x03" + bytes(1536))
        await asyncio.wait_for(reader.readexactly(1 + 2 * 1536), 5)
        writer.write(bytes(1536))
        client = cls(reader, writer)
        client.command("connect", 1, {"app": app, "flashVer": "test", **options})
        await client.expect("_result")
        return client

    def command(self, *values, stream=0):
        self.writer.write(
            write_message(COMMAND, amf.encode(*values), stream=stream, chunk_bytes=128)
        )

    async def expect(self, name, code=None):
        """The next command `name` (with `code`); fails if the server closes before."""
        while True:
            while self.messages:
                message = self.messages.pop(0)
                if message.kind != COMMAND:
                    continue
                values = amf.decode(message.payload)
                if values[0] == name and (code is None or values[3]["code"] == code):
                    return values
            data = await asyncio.wait_for(self.reader.read(65536), 60)
            assert data, f"closed instead of {name} {code or ''}"
            self._feed(data)

    def _feed(self, data):
        messages = self.chunks.feed(data)
        self.messages += messages
        self.seen += messages

    async def media(self, count):
        """The next `count` media messages."""
        found = []
        while len(found) < count:
            while self.messages:
                message = self.messages.pop(0)
                if message.kind in (8, 9):
                    found.append(message)
            data = await asyncio.wait_for(self.reader.read(65536), 60)
            assert data, "closed instead of media"
            self._feed(data)
        return found

    async def closed(self, seconds=10):
        """Everything until the server closes."""
        data = await asyncio.wait_for(self.reader.read(-1), seconds)
        self._feed(data)
        self.writer.close()


async def test_ffmpeg_decodes_without_error_lines(rtmp):
    code, _, errors = await run(
        *("ffmpeg", "-v", "warning", "-i", f"{rtmp}/static/live", "-t", "1.5", "-f", "null", "-")
    )
    assert (code, errors) == (0, "")


async def test_ffprobe_sees_both_tracks_and_the_name_is_app_and_path(rtmp, egress):
    url = f"{rtmp}/a/b?token=secret"
    code, out, errors = await run(*("ffprobe", "-v", "error", "-show_streams", "-of", "json"), url)
    assert (code, errors) == (0, "")
    codecs = {stream["codec_name"] for stream in json.loads(out)["streams"]}
    assert codecs == {"h264", "aac"}
    question = egress.questions[-1]
    assert (question.name, question.proto, question.kind) == ("a/b", "rtmp", "play")
    assert (question.token, question.qs) == ("secret", "token=secret")
    assert question.ip == "127.0.0.1"
    assert question.user_agent


async def test_ffmpeg_publishes(rtmp, egress, canned, tmp_path, wait_until):
    source = tmp_path / "a.flv"
    media = canned["flv"]
    source.write_bytes(media.header + b"".join(data for _, data in media.chunks[:100]))
    code, _, errors = await run(
        *("ffmpeg", "-v", "error", "-i", str(source), "-c", "copy", "-f", "flv"),
        f"{rtmp}/live/cam?password=pass",
    )
    assert (code, errors) == (0, "")
    question = egress.questions[-1]
    assert (question.name, question.kind) == ("live/cam", "publish")
    assert question.password == "pass"
    await asyncio.wait_for(egress.media.finished.wait(), 60)
    received = as_flv(egress.media.tracks, egress.media.frames)
    with av.open(io.BytesIO(received), format="flv") as container:
        frames = [frame.pts for frame in container.decode(video=0)]
        assert len(frames) == 100
        assert container.streams.audio[0].codec_context.name == "aac"
    assert [track.fps for track in egress.media.tracks] == [25.0, 0.0], "from onMetaData"
    await wait_until(lambda: any("live/cam" in key for key in egress.closed))


@pytest.mark.parametrize(
    ("video", "audio", "names"),
    [
        ("libx264", "aac", ("h264", "aac")),
        ("libx265", "libopus", ("hevc", "opus")),
        ("libsvtav1", "libopus", ("av1", "opus")),
        ("libvpx-vp9", "libopus", ("vp9", "opus")),
    ],
)
async def test_enhanced_rtmp_is_published_and_played(rtmp, egress, canned, video, audio, names):
    """Enhanced RTMP v2: codecs by FourCC, in by FFmpeg 8 and out to FFmpeg 8."""
    script = Path(__file__).with_name("publish_enhanced.py")
    code, out, errors = await run(
        sys.executable, str(script), f"{rtmp}/live/cam", video, audio, seconds=50
    )
    assert code == 0, errors
    await asyncio.wait_for(egress.media.finished.wait(), 60)
    received = as_flv(egress.media.tracks, egress.media.frames)
    assert decode_enhanced(received) == (*names, int(out))
    egress.media.canned = {"flv": cut_enhanced(type(canned["flv"]), received)}
    egress.media.started = time.monotonic() - 0.2
    player = Path(__file__).with_name("play_enhanced.py")
    code, out, errors = await run(sys.executable, str(player), f"{rtmp}/static/live")
    assert code == 0, errors
    video_name, audio_name, packets = out.split()
    assert (video_name, audio_name) == names
    assert int(packets) > 5


def decode_enhanced(data):
    """(video codec, audio codec, number of video packets) in FLV."""
    with av.open(io.BytesIO(data), format="flv") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        packets = sum(1 for packet in container.demux(video) if packet.size)
        return video.codec.canonical_name, audio.codec.canonical_name, packets


def cut_enhanced(canned_type, data):
    """FLV as a media worker gives it: sequence headers first, then a chunk a tag."""
    position, header, chunks = 13, data[:13], []
    while position + 15 <= len(data):
        size = int.from_bytes(data[position + 1 : position + 4])
        tag = data[position : position + size + 15]
        position += len(tag)
        kind, first, second = tag[0], tag[11], tag[12]
        by_four_cc = (kind == 9 and first & 0x80) or (kind == 8 and first >> 4 == 9)
        starts = first & 15 == 0 if by_four_cc else second == 0
        if kind == 18 or starts:
            header += tag
        else:
            chunks.append((kind == 9 and first >> 4 & 7 == 1, tag))
    return canned_type(header, chunks)


async def test_viewers_get_the_same_bytes_from_a_key_frame_on(rtmp, egress, wait_until):
    clients = []
    for index in range(3):
        client = await Client.open(rtmp, "static")
        client.command("createStream", 2, None)
        assert (await client.expect("_result"))[3] == 1.0
        client.command("play", 3, None, f"live?token=t{index}", -2000, stream=1)
        await client.expect("onStatus", "NetStream.Play.Start")
        clients.append(client)
    for client in clients:
        messages = await client.media(40)
        first = next(m for m in messages if m.kind == VIDEO and m.payload[1] == 1)
        assert first.payload[0] >> 4 == 1, "the first picture is a key frame"
        times = [m.timestamp for m in messages if m.kind == VIDEO and m.payload[1] == 1]
        assert times == sorted(times)
    await wait_until(
        lambda: len([key for key, r in egress.reports.items() if "/rtmp/" in key and r.bytes]) == 3
    )
    for client in clients:
        client.writer.close()
    await wait_until(lambda: len(egress.closed) == 3)


async def test_pause_keeps_the_session(rtmp, egress):
    client = await Client.open(rtmp, "static")
    client.command("play", 3, None, "live", stream=1)
    await client.media(5)
    client.command("pause", 4, None, True, 0, stream=1)
    await client.expect("onStatus", "NetStream.Pause.Notify")
    client.command("pause", 5, None, False, 0, stream=1)
    await client.expect("onStatus", "NetStream.Unpause.Notify")
    messages = await client.media(5)
    assert messages[0].kind in (8, 9)
    assert len(egress.questions) == 1
    client.writer.close()


async def test_the_end_of_a_session_is_told_and_closes(rtmp, egress, wait_until):
    client = await Client.open(rtmp, "static")
    client.command("play", 3, None, "live", stream=1)
    await client.media(5)
    await wait_until(lambda: egress.reports)
    egress.peer.notify(CloseSession(next(iter(egress.reports)), "kicked"))
    values = await client.expect("onStatus", "NetStream.Play.UnpublishNotify")
    assert "kicked" in values[3]["description"]
    await client.closed()


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("play", 404, "NetStream.Play.StreamNotFound"),
        ("play", 403, "NetStream.Play.Failed"),
        ("publish", 403, "NetStream.Publish.BadName"),
    ],
)
async def test_a_refusal_is_told_and_closes(rtmp, egress, kind, status, code):
    egress.denied["live/x"] = {"status": status, "code": "denied", "title": "Wrong password"}
    client = await Client.open(rtmp)
    client.command(kind, 3, None, "x", "live", stream=1)
    values = await client.expect("onStatus", code)
    assert values[3]["level"] == "error"
    assert values[3]["description"] == "Wrong password"
    await client.closed()


async def test_ffmpeg_shows_the_reason_of_a_refusal(rtmp, egress):
    egress.denied["live/x"] = {"status": 403, "code": "denied", "title": "Wrong password"}
    code, _, errors = await run(
        *("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1", "-f", "flv"),
        f"{rtmp}/live/x",
    )
    assert code != 0
    assert "Wrong password" in errors


async def test_static_is_dropped_unless_such_a_stream_exists(rtmp, egress):
    egress.denied["x"] = {"status": 404, "code": "stream_not_found", "title": "No such stream"}
    client = await Client.open(rtmp, "static")
    client.command("publish", 3, None, "x", "live", stream=1)
    await client.expect("onStatus", "NetStream.Publish.Start")
    assert [question.name for question in egress.questions] == ["x", "static/x"]
    client.writer.close()


async def test_a_missing_stream_is_told_by_the_name_that_was_meant(rtmp, egress):
    for name in ("x", "static/x"):
        egress.denied[name] = {"status": 404, "code": "stream_not_found", "title": f"No {name}"}
    client = await Client.open(rtmp, "static")
    client.command("play", 3, None, "x", stream=1)
    values = await client.expect("onStatus", "NetStream.Play.StreamNotFound")
    assert values[3]["description"] == "No x"


async def test_a_second_publisher_is_refused_and_the_first_goes_on(rtmp, egress, wait_until):
    first = await Client.open(rtmp)
    first.command("publish", 3, None, "x", "live", stream=1)
    await first.expect("onStatus", "NetStream.Publish.Start")
    second = await Client.open(rtmp)
    second.command("publish", 3, None, "x", "live", stream=1)
    values = await second.expect("onStatus", "NetStream.Publish.BadName")
    assert "Another publisher" in values[3]["description"]
    await second.closed()
    body = b"\x17\x01\0\0\0" + b"v" * 300
    first.writer.write(write_message(VIDEO, body, timestamp=40, stream=1, chunk_bytes=128))
    await wait_until(lambda: egress.media.frames)
    assert egress.media.frames == [PublishedFrame(0, 40, 40, True, b"v" * 300)]
    first.command("FCUnpublish", 5, None, "x")
    first.command("deleteStream", 6, None, 1)
    await first.expect("onStatus", "NetStream.Unpublish.Success")
    await asyncio.wait_for(egress.media.finished.wait(), 5)
    first.writer.close()


async def test_a_bad_name_is_refused(rtmp, egress):
    client = await Client.open(rtmp)
    client.command("publish", 3, None, "../etc", "live", stream=1)
    values = await client.expect("onStatus", "NetStream.Publish.BadName")
    assert ".." in values[3]["description"]
    assert egress.questions == []


async def test_media_behind_the_publish_command_is_not_lost(rtmp, egress, wait_until):
    client = await Client.open(rtmp)
    body = b"\x17\x01\0\0\0early"
    client.writer.write(
        write_message(COMMAND, amf.encode("publish", 3, None, "x", "live"), stream=1)
        + write_message(VIDEO, body, stream=1)
    )
    await wait_until(lambda: egress.media.frames)
    assert egress.media.frames[0].data == b"early"
    client.writer.close()


async def test_data_and_aggregate_messages(rtmp, egress, wait_until):
    client = await Client.open(rtmp)
    client.command("publish", 3, None, "x", "live", stream=1)
    await client.expect("onStatus", "NetStream.Publish.Start")
    metadata = amf.encode("onMetaData", {"framerate": 50, "audiodatarate": 96})
    body = b"\x17\x01\0\0\x28ab"
    tag = struct.pack(">IIHB", 9 << 24 | 7, 100 << 8, 0, 0) + body + struct.pack(">I", 18)
    later = struct.pack(">IIHB", 8 << 24 | 3, 140 << 8, 0, 0) + b"\xaf\x01c" + struct.pack(">I", 14)
    client.writer.write(
        write_message(18, amf.encode("@setDataFrame") + metadata, stream=1, chunk_bytes=128)
        + write_message(15, b"\0" + metadata, stream=1, chunk_bytes=128)
        + write_message(22, tag + later, timestamp=5000, stream=1, chunk_bytes=128)
    )
    await wait_until(lambda: len(egress.media.frames) > 1)
    assert egress.media.frames == [
        PublishedFrame(0, 5000, 5040, True, b"ab"),
        PublishedFrame(1, 5040, 5040, True, b"c"),
    ]
    assert [(t.codec, t.fps, t.bit_rate) for t in egress.media.tracks] == [
        ("h264", 50.0, 0),
        ("aac", 0.0, 96_000),
    ]
    client.writer.close()


async def test_the_server_acknowledges_and_answers_pings(rtmp, egress):
    client = await Client.open(rtmp)
    client.writer.write(write_message(5, struct.pack(">I", 65536), chunk_stream=2))
    client.writer.write(write_message(4, struct.pack(">HI", 6, 77), chunk_stream=2))
    client.command("publish", 3, None, "x", "live", stream=1)
    await client.expect("onStatus", "NetStream.Publish.Start")
    client.writer.write(write_message(VIDEO, bytes(70000), stream=1, chunk_bytes=128))
    client.command("unknownCall", 9, None)
    assert (await client.expect("_error"))[3]["code"] == "NetConnection.Call.Failed"
    client.command("deleteStream", 6, None, 1)
    await client.expect("onStatus", "NetStream.Unpublish.Success")
    assert struct.pack(">HI", 7, 77) in [m.payload for m in client.seen if m.kind == 4]
    (acknowledged,) = [int.from_bytes(m.payload) for m in client.seen if m.kind == 3]
    assert 65536 <= acknowledged < 80000


async def test_a_publisher_that_vanishes_ends_its_feed(rtmp, egress):
    client = await Client.open(rtmp)
    client.command("publish", 3, None, "x", "live", stream=1)
    await client.expect("onStatus", "NetStream.Publish.Start")
    client.writer.transport.abort()
    await asyncio.wait_for(egress.media.finished.wait(), 60)


async def test_a_media_worker_that_dies_tells_the_publisher(rtmp, egress):
    client = await Client.open(rtmp)
    client.command("publish", 3, None, "x", "live", stream=1)
    await client.expect("onStatus", "NetStream.Publish.Start")
    await egress.media.stop()
    values = await client.expect("onStatus", "NetStream.Publish.BadName")
    assert "media worker" in values[3]["description"]
    await client.closed()
    await egress.media.start()


RUDE = {
    "another protocol": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a huge command": b"\x03" + bytes(3072) + bytes.fromhex("03 000000 ffffff 14 00000000"),
    "no header": b"\x03" + bytes(3072) + b"\xc3",
    "deep nesting": b"\x03" + bytes(3072)
    + write_message(COMMAND, b"\x02\0\1a" + b"\x0a\0\0\0\1" * 50, chunk_bytes=128),
    "play before connect": b"\x03" + bytes(3072)
    + write_message(COMMAND, amf.encode("play", 1, None, "x")),
    "connect without app": b"\x03" + bytes(3072)
    + write_message(COMMAND, amf.encode("connect", 1, {})),
}  # fmt: skip


@pytest.mark.parametrize("what", RUDE)
async def test_rude_peers_are_closed_with_a_log_line(rtmp, egress, what):
    port = int(rtmp.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    me = writer.get_extra_info("sockname")[1]
    writer.write(RUDE[what])
    await asyncio.wait_for(reader.read(-1), 60)
    writer.close()
    await writer.wait_closed()
    log = (egress.runtime / "log").read_text()
    assert f"rtmp 127.0.0.1:{me} stream " in log


async def test_rtmps(egress, new_port, tmp_path):
    key, certificate, port = tmp_path / "k", tmp_path / "c", new_port()
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key)]
    make += ["-out", str(certificate)]
    assert (await run(*make))[0] == 0
    listener = {"address": "127.0.0.1", "port": port}
    listener |= {"certificate": certificate.read_text(), "certificate_key": key.read_text()}
    assert await egress.listen(rtmps=[listener]) == []
    url = f"rtmps://127.0.0.1:{port}/static/live"
    code, _, errors = await run("ffmpeg", "-v", "error", "-i", url, "-t", "1", "-f", "null", "-")
    assert (code, errors) == (0, "")


async def test_large_messages_are_played_in_chunks(rtmp, egress, canned):
    """A key frame above the chunk size arrives whole."""
    key, data = next(item for item in egress.media.canned["flv"].chunks if item[0])
    assert key
    big = data[:11] + data[11:16] + bytes(3 * OUT_CHUNK_BYTES)
    size = len(big) - 11
    big = bytes([9]) + size.to_bytes(3) + big[4:] + struct.pack(">I", size + 11)
    media = type(egress.media.canned["flv"])(canned["flv"].header, [(True, big)] * 2000)
    egress.media.canned = {**egress.media.canned, "flv": media}
    client = await Client.open(rtmp, "static")
    client.command("play", 3, None, "live", stream=1)
    messages = await client.media(6)
    assert size in {len(message.payload) for message in messages}
    client.writer.close()
