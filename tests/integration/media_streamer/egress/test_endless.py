"""Endless TS and FLV of a real worker process, with ffmpeg and plain sockets as clients."""

import asyncio
import json
import time
from pathlib import Path

import aiohttp
import pytest
from media_streamer.wire.control import CloseSession, DirectoryChanged


async def run(*command: str, seconds: float = 30) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), seconds)
    return process.returncode or 0, out.decode(), err.decode()


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("path", ["live/mpegts", "live.ts", "live.flv", "live/flv", "a/b%20c.flv"])
async def test_ffmpeg_decodes_without_error_lines(egress, path):
    code, _, errors = await run(
        *("ffmpeg", "-v", "warning", "-i", f"{egress.url}/{path}", "-t", "1.5", "-f", "null", "-")
    )
    assert (code, errors) == (0, "")


async def test_ffprobe_sees_both_tracks(egress):
    code, out, errors = await run(
        *("ffprobe", "-v", "error", "-show_streams", "-of", "json"), f"{egress.url}/live.flv"
    )
    assert (code, errors) == (0, "")
    codecs = {stream["codec_name"] for stream in json.loads(out)["streams"]}
    assert codecs == {"h264", "aac"}


async def test_head_of_response_and_first_bytes_are_those_of_the_gop_cache(egress, canned):
    url = f"{egress.url}/live.flv"
    async with aiohttp.ClientSession() as session, session.get(url) as warm:
        await warm.content.readexactly(100)
        async with session.get(url) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "video/x-flv"
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Connection"] == "close"
            assert "Transfer-Encoding" not in response.headers
            header = canned["flv"].header
            assert await response.content.readexactly(len(header)) == header
            tag = await response.content.readexactly(12)
            assert tag[0] == 9
            assert tag[11] >> 4 == 1, "the first picture is a key frame"


async def test_all_viewers_get_the_same_bytes_and_are_accounted_for(egress, wait_until):
    async with aiohttp.ClientSession() as session:
        responses = [await session.get(f"{egress.url}/live/mpegts?token=t{i}") for i in range(5)]
        bodies = [await response.content.readexactly(40 * 188) for response in responses]
        # Between the first viewer and the last one a group of pictures may begin.
        assert len(set(bodies)) <= 2
        await wait_until(lambda: len(egress.reports) == 5)
        sessions = set(egress.reports)
        assert all(report.bytes >= 40 * 188 for report in egress.reports.values())
        for response in responses:
            response.close()
        await wait_until(lambda: sessions <= set(egress.closed))
    assert {closed.reason for closed in egress.closed.values()} == {"client closed"}


async def test_supervisor_closes_a_session(egress, wait_until):
    async with aiohttp.ClientSession() as session, session.get(f"{egress.url}/live.flv") as viewer:
        await wait_until(lambda: egress.reports)
        (identifier,) = egress.reports
        egress.peer.notify(CloseSession(identifier, "kicked"))
        await asyncio.wait_for(viewer.content.read(), 5)
        await wait_until(lambda: egress.closed)
    assert egress.closed[identifier].reason == "kicked"


@pytest.mark.parametrize("form", ["flv", "ts"])
async def test_viewer_survives_a_dead_media_worker(egress, form, canned):
    url = f"{egress.url}/live.{form}"
    async with aiohttp.ClientSession() as session, session.get(url) as viewer:
        await viewer.content.readexactly(10_000)
        await egress.media.stop()
        await egress.media.start()
        header = canned[form].header[13 if form == "flv" else 0 :]
        tail = b""
        deadline = time.monotonic() + 10
        while header not in tail:
            assert time.monotonic() < deadline, "no new header after the restart"
            tail += await asyncio.wait_for(viewer.content.readany(), 5)
        assert b"FLV\x01" not in tail
        after = await asyncio.wait_for(viewer.content.readexactly(20_000), 5)
        assert len(after) == 20_000


async def test_removed_stream_ends_its_viewers(egress):
    async with aiohttp.ClientSession() as session, session.get(f"{egress.url}/live.flv") as viewer:
        await viewer.content.readexactly(1000)
        egress.peer.notify(DirectoryChanged({"live": None}))
        await asyncio.wait_for(viewer.content.read(), 5)


async def test_slow_reader_is_bounded_and_skips_to_a_key_frame(egress, wait_until, canned):
    """One viewer does not read while 60 MB go by; the other one misses nothing."""
    big = canned["flv"].chunks
    padded = [(key, data * 200) for key, data in big]
    egress.media.canned = {"flv": type(canned["flv"])(canned["flv"].header, padded)}
    egress.media.speed = 3.0
    reader, writer = await asyncio.open_connection("127.0.0.1", egress.port, limit=2**16)
    writer.write(b"GET /live.flv HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await wait_until(lambda: any(r.dropped_gops > 0 for r in egress.reports.values()), 20)
    assert resident_bytes(egress.process.pid) < 250e6
    writer.transport.abort()


@pytest.mark.parametrize("form", ["mpegts", "flv"])
async def test_tracks_are_chosen(egress, source, form):
    """In the media worker, so the tables and headers name no other track."""
    url = f"{egress.url}/live/{form}?filter.tracks=a1"
    options = ("-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0")
    code, out, errors = await run("ffprobe", *options, "-analyzeduration", "2000000", url)
    assert (code, errors) == (0, "")
    assert set(out.split()) == {"audio"}
