"""Tracks that come, go and change while the source stays connected, and one program of several."""

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import av
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support import garbage
from tests.support.players import complaints, play, run
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer, Launch, Recording

PICTURE = ("-f", "lavfi", "-i", "testsrc=size=320x240:rate=25")
TONE = ("-f", "lavfi", "-i", "sine=r=48000")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-g", "25", "-x265-params", "log-level=none")
PARTS: dict[str, tuple[str, ...]] = {
    "video": (*PICTURE, *H264),
    "both": (*PICTURE, *TONE, *H264, "-c:a", "aac"),
    "hevc": (*PICTURE, *TONE, *HEVC, "-c:a", "aac"),
}
SECONDS = 6


async def ffmpeg(*words: object) -> None:
    command = ("ffmpeg", "-nostdin", "-y", "-v", "error", *map(str, words))
    status, _, err = await run(*command, seconds=90)
    assert (status, err) == (0, ""), err


async def part(directory: Path, name: str) -> bytes:
    """Some seconds of transport stream with the tracks of `name`."""
    path = directory / f"{name}.ts"
    if not path.exists():
        await ffmpeg(*PARTS[name], "-t", SECONDS, "-f", "mpegts", path)
    return path.read_bytes()


class Sequel:
    """One HTTP answer with one part after another, at the pace at which they play."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts
        self.requests = 0
        self._over = False
        app = web.Application()
        app.router.add_get("/x", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        answer = web.StreamResponse()
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            while not self._over:
                for data in self._parts:
                    step = len(data) // (SECONDS * 20) | 1  # whole packets would be too kind
                    for at in range(0, len(data), step):
                        if self._over:
                            return answer
                        await answer.write(data[at : at + step])
                        await asyncio.sleep(0.05)
        return answer

    async def __aenter__(self) -> "Sequel":
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        await self.server.close()


async def tracks(streamer: FilmStreamer) -> list[str]:
    stats = (await streamer.stream("film")).get("stats", {})
    return sorted(one["codec"] for one in stats.get("media_info", {}).get("tracks", []))


@contextlib.asynccontextmanager
async def sequel(streamer: FilmStreamer, parts: Sequence[bytes]) -> AsyncIterator[Sequel]:
    async with Sequel(parts) as source:
        url = f"tshttp://127.0.0.1:{source.server.port}/x"
        streamer.write(f"stream film {{ input {url}; segment_duration 1; }}\n")
        await streamer.serve()
        await streamer.running("film")
        yield source


async def shows(streamer: FilmStreamer, *codecs: str) -> None:
    async def check() -> bool:
        return await tracks(streamer) == sorted(codecs)

    await until(check, f"tracks {codecs}, log {streamer.log}", 30)


CHANGES = {
    "sound is added": ("video", "both", ("h264",), ("aac", "h264")),
    "sound is lost": ("both", "video", ("aac", "h264"), ("h264",)),
    "another codec": ("both", "hevc", ("aac", "h264"), ("aac", "hevc")),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_transport_stream_changes_its_tracks(
    streamer: FilmStreamer, tmp_path: Path, change: str
) -> None:
    """Without a new connection; each output goes on, and a viewer of it sees the change."""
    first, second, before, after = CHANGES[change]
    parts = [await part(tmp_path, first), await part(tmp_path, second)]
    async with sequel(streamer, parts) as source:
        await shows(streamer, *before)
        recordings = {}
        for name, path in (("ts", "film/mpegts"), ("flv", "film.flv")):
            url = f"{streamer.base}/{path}"
            recordings[name] = Recording(streamer.session, url, tmp_path / f"seen.{name}")
        playlist = await _media_playlist(streamer)
        await shows(streamer, *after)
        await asyncio.sleep(2.5)  # of what came after
        for viewer in recordings.values():
            await viewer.stop()
        # The playlist's name holds the tracks of before; it goes on all the same.
        async with streamer.session.get(playlist) as answer:
            text = await answer.text()
            assert answer.status == 200, text
        assert "#EXT-X-DISCONTINUITY\n" in text, text
        last = [line for line in text.splitlines() if line.endswith(".ts")][-1]
        async with streamer.session.get(f"{playlist.rpartition('/')[0]}/{last}") as answer:
            with av.open(io.BytesIO(await answer.read()), format="mpegts") as segment:
                assert {one.codec_context.name for one in segment.streams} == set(after)
        assert source.requests == 1, "the source was connected to again"
    assert kinds_in(tmp_path / "seen.ts") >= set(before) | set(after)


def kinds_in(path: Path) -> set[str]:
    """Codecs in all tables of a recorded transport stream: each part between two is probed."""
    found = set()
    data = path.read_bytes()
    half = len(data) // 2 // 188 * 188
    for number, piece in enumerate((data[:half], data[half:])):
        one = path.with_suffix(f".{number}.ts")
        one.write_bytes(piece)
        with av.open(str(one), format="mpegts", options={"scan_all_pmts": "1"}) as container:
            found |= {stream.codec_context.name for stream in container.streams}
    return found


async def _media_playlist(streamer: FilmStreamer) -> str:
    async def listed() -> str:
        async with streamer.session.get(f"{streamer.base}/film/index.m3u8") as answer:
            lines = (await answer.text()).splitlines()
        return next((line for line in lines if line.endswith(".m3u8")), "")

    return f"{streamer.base}/film/{await until(listed, 'a master playlist')}"


async def test_an_rtmp_publisher_sends_sound_later(
    streamer: FilmStreamer, tmp_path: Path, launch: Launch
) -> None:
    """FFmpeg itself writes no tag of a track that was not there at the start: two files joined."""
    streamer.write("stream film { input publish://; segment_duration 1; }\n")
    await streamer.serve()
    joined = tmp_path / "joined.flv"
    await ffmpeg(*PARTS["video"], "-t", SECONDS, tmp_path / "a.flv")
    await ffmpeg(*PARTS["both"], "-t", 12, "-output_ts_offset", SECONDS, tmp_path / "b.flv")
    head = 13
    second = (tmp_path / "b.flv").read_bytes()[head:]
    joined.write_bytes((tmp_path / "a.flv").read_bytes() + second)
    tags = list(flv_tags(joined.read_bytes()))
    publisher = asyncio.create_task(rtmp_publish(streamer.rtmp_port, "film", tags))
    await shows(streamer, "h264")
    await shows(streamer, "h264", "aac")
    seen = await play(f"{streamer.base}/film/mpegts", 2)
    assert not complaints(seen, 25, ("video", "audio")), streamer.log
    assert (await streamer.stream("film"))["stats"].get("retry_count", 0) == 0
    publisher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await publisher


def flv_tags(data: bytes) -> list[tuple[int, int, bytes]]:
    """(kind, time in ms, payload) of the tags of a file."""
    found = []
    at = 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4])
        stamp = int.from_bytes(data[at + 4 : at + 7]) | data[at + 7] << 24
        found.append((data[at], stamp, data[at + 11 : at + 11 + size]))
        at += 11 + size + 4
    return found


async def rtmp_publish(port: int, name: str, tags: Sequence[tuple[int, int, bytes]]) -> None:
    """An encoder that sends what it has, in time."""
    from media_streamer.protocols.rtmp import amf
    from media_streamer.protocols.rtmp.chunks import COMMAND, write_message

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    drain = asyncio.create_task(reader.read(-1))

    def command(*values: object, stream: int = 0) -> bytes:
        payload = amf.encode(*values)
        return write_message(COMMAND, payload, stream=stream, chunk_bytes=128)

    try:
        writer.write(b"\x03" + bytes(1536) + bytes(1536))
        writer.write(command("connect", 1, {"app": "static"}) + command("createStream", 2, None))
        writer.write(command("publish", 3, None, name, "live", stream=1))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for kind, stamp, payload in tags:
            if kind == 18:
                continue
            await asyncio.sleep(max(0.0, began + stamp / 1000 - loop.time()))
            writer.write(write_message(kind, payload, stream=1, timestamp=stamp, chunk_bytes=128))
            await writer.drain()
    finally:
        drain.cancel()
        writer.transport.abort()


@pytest.mark.parametrize("program", [1, 2])
async def test_a_program_of_several(streamer: FilmStreamer, tmp_path: Path, program: int) -> None:
    """An MPTS of FFmpeg: one is 320 pixels wide with sound, the other 640 without."""
    path = tmp_path / "mpts.ts"
    await ffmpeg(
        *PICTURE, *TONE, "-f", "lavfi", "-i", "testsrc=size=640x360:rate=25",
        "-map", "0", "-map", "1", "-map", "2", *H264, "-c:a", "aac", "-t", 10,
        "-program", "program_num=1:st=0:st=1", "-program", "program_num=2:st=2",
        "-f", "mpegts", path,
    )  # fmt: skip
    async with Sequel([path.read_bytes()]) as source:
        url = f"tshttp://127.0.0.1:{source.server.port}/x"
        streamer.write(
            f"stream film {{ input {url} programs={program}; }}\n"
            f"stream none {{ input {url} programs=7; }}\n"
        )
        await streamer.serve()
        await streamer.running("film")
        stats = (await streamer.stream("film"))["stats"]
        found = {(one["codec"], one.get("width")) for one in stats["media_info"]["tracks"]}
        wanted = {("h264", 320), ("aac", None)} if program == 1 else {("h264", 640)}
        assert found == wanted

        async def told() -> str:
            inputs = (await streamer.stream("none")).get("inputs", [{}])
            return str(inputs[0].get("stats", {}).get("error") or "")

        assert "no program 7" in await until(told, "an error")


def among_others(film: bytes, others: int = 39) -> bytes:
    """A film of FFmpeg (program 1) as a satellite sends it: with others of nine sounds each."""
    programs = [(1, 0x1000)] + [(n, 0x400 + 0x10 * n) for n in range(2, others + 2)]
    out = garbage.Packets()
    tables = b""
    for number, pid in programs[1:]:
        streams = [(0x1B, pid + 1, b"")] + [(0x0F, pid + n, b"") for n in range(2, 11)]
        tables += out.of(pid, garbage.pmt(streams, number), table=True)
    data: list[bytes] = []
    for count, at in enumerate(range(0, len(film) - 187, 188)):
        packet = film[at : at + 188]
        if packet[1:3] == b"\x40\0":
            packet = out.of(0, garbage.pat(programs), table=True)
            data.append(tables)
        _, pid = programs[1 + count % others]
        data += (packet, out.of(pid + 2 + count % 9, garbage.sound_pes(count * 90)))
    return b"".join(data)


async def _by_udp(data: bytes, port: int) -> None:
    """In a loop, at about the pace at which it plays."""
    step = 7 * 188
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        while True:
            for number, at in enumerate(range(0, len(data), step)):
                sock.sendto(data[at : at + step], ("127.0.0.1", port))
                if number % 8 == 0:
                    await asyncio.sleep(8 * step * SECONDS / len(data))


async def test_one_program_of_a_satellite(streamer: FilmStreamer, tmp_path: Path) -> None:
    """40 programs with 400 PIDs, by HTTP and by UDP: one of them is a source as any other."""
    data, port = among_others(await part(tmp_path, "both")), free_port()
    async with Sequel([data]) as source:
        streamer.write(
            f"stream film {{ input tshttp://127.0.0.1:{source.server.port}/x programs=1; }}\n"
            f"stream air {{ input udp://127.0.0.1:{port} programs=1; }}\n"
        )
        await streamer.serve()
        sender = asyncio.create_task(_by_udp(data, port))
        try:
            await asyncio.gather(*(streamer.running(name) for name in ("film", "air")))
            for seen in await asyncio.gather(
                *(play(f"{streamer.base}/{name}/mpegts", 2) for name in ("film", "air"))
            ):
                assert not complaints(seen, 25, ("video", "audio")), streamer.log
        finally:
            sender.cancel()
