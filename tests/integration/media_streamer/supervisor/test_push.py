"""`push` to real receivers: our own publishing, ffmpeg, servers of files; and refusals."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.clips import rich_film
from tests.support.file_server import FileServer, serving
from tests.support.ports import free_port
from tests.support.streamer import VIEWER, Streamer, ffprobe, until
from tests.support.ts_viewer import TsViewer

from .pushing import grows, is_continuous, push_is, pushes


@pytest.fixture
def streamer(lent_streamer: Streamer) -> Streamer:
    return lent_streamer


async def test_rtmp_and_http_to_a_server(streamer: Streamer) -> None:
    """Several pushes of one stream, over RTMP and HTTP, to names with and without a slash."""
    rtmp = free_port()
    streamer.write(
        f"""
rtmp 127.0.0.1:{rtmp};
stream copy/one {{ input publish://; }}
stream two {{ input publish://; }}
stream live {{
  input fake://fake;
  push rtmp://127.0.0.1:{rtmp}/static/copy/one;
  push tshttp://127.0.0.1:{streamer.http_port}/two/mpegts;
}}
"""
    )
    await streamer.serve()
    assert "pushes" not in str((await streamer.stream("live")).get("warnings"))
    for name in ("copy/one", "two"):
        await streamer.running(name)
        assert await ffprobe(f"{streamer.base}/{name}/mpegts") == ["aac", "h264"]
    for index in (0, 1):
        await push_is(streamer, "running", index=index)
        await grows(streamer, index=index)
    stats = (await streamer.stream("live"))["stats"]
    assert stats["push"]["bytes"] > 0
    assert stats["client_count"] == 0  # a push is no viewer
    assert streamer.log.count("push to rtmp://127.0.0.1") >= 1
    assert "static/copy/***: running" in streamer.log


async def test_srt_and_rtsp_to_a_server(streamer: Streamer) -> None:
    """With passphrase and login, which stay secret; refusals come in the receiver's words."""
    rtsp, srt, own = free_port(), free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    nobody, other = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    streamer.write(
        f"""
rtsp 127.0.0.1:{rtsp};
srt 127.0.0.1:{srt};
stream one {{ input publish://; password pa55word; }}
stream two {{ input publish://; srt_publish {{ port 127.0.0.1:{own}; passphrase passphrase-1; }} }}
stream free {{
  input publish://;
  srt_publish {{ port 127.0.0.1:{other}; passphrase passphrase-1; }}
}}
stream live {{
  input fake://fake;
  push rtsp://any:pa55word@127.0.0.1:{rtsp}/one retry_timeout=1;
  push srt://127.0.0.1:{own} passphrase=passphrase-1 latency=200 linger=1 version=1.3.0
    retry_timeout=1;
  push rtsp://any:wrongword@127.0.0.1:{rtsp}/one retry_timeout=1 retry_limit=1;
  push srt://localhost:{other} passphrase=passphrase-2 retry_timeout=1 retry_limit=1;
  push srt://127.0.0.1:{srt} streamid="#!::r=none,m=publish" retry_timeout=1 retry_limit=0;
  push srt://127.0.0.1:{nobody}?mode=listener;
  push rtsp://127.0.0.1:{nobody}/x connect_timeout=1 retry_limit=0;
}}
"""
    )
    await streamer.serve()
    assert not (await streamer.stream("live")).get("warnings")
    for index, name in enumerate(("one", "two")):
        await streamer.running(name)
        assert await ffprobe(f"{streamer.base}/{name}/mpegts") == ["aac", "h264"]
        await push_is(streamer, "running", index=index)
        await grows(streamer, index=index)
    errors = [(await push_is(streamer, "error", index=index))["error"] for index in range(2, 7)]
    assert "403 The password" in errors[0]
    assert "incorrect passphrase" in errors[1]
    assert "refused with 404" in errors[2]
    assert "mode=caller" in errors[3]
    assert errors[4] == "connection refused"
    _, shown = await streamer.api("GET", "/streams/live", auth=VIEWER)
    for secret in ("pa55word", "wrongword", "passphrase-"):
        assert secret not in streamer.log
        assert secret not in str(shown)


@pytest.fixture
async def file_server() -> AsyncIterator[FileServer]:
    async with serving() as made:
        yield made


async def test_hls_to_a_server_of_files(streamer: Streamer, file_server: FileServer) -> None:
    """Segments before the playlist that lists them, the old ones deleted; what is put plays."""
    port = file_server.port
    streamer.write(
        f"""
stream live {{
  input fake://fake; segment_duration 1; segment_count 3;
  push hls://me:pa55word@127.0.0.1:{port}/out/index.m3u8 retry_timeout=1;
  push hls://me:wrongword@127.0.0.1:{port}/other retry_timeout=1 retry_limit=0;
}}
"""
    )
    await streamer.serve()
    assert not (await streamer.stream("live")).get("warnings")
    await push_is(streamer, "running")
    assert (await push_is(streamer, "error", index=1))["errors_401"] == 1

    async def has_deleted() -> bool:
        return len(file_server.deleted) > 2

    await until(has_deleted, "old segments go")
    playlist = file_server.files["/out/index.m3u8"].decode()
    listed = [line for line in playlist.splitlines() if not line.startswith("#")]
    assert all(f"/out/{name}" in file_server.files for name in listed)
    assert len(listed) >= 3
    assert "\0" not in playlist
    url = f"http://127.0.0.1:{port}/out/index.m3u8"
    assert await ffprobe(url) == ["aac", "h264"]
    file_server.status = 507
    failed = await push_is(streamer, "retry")
    assert "answers 507 to PUT" in failed["error"]
    file_server.status = 204
    again = await push_is(streamer, "running")
    assert "error" not in again  # what was wrong is over
    assert again["frames"] > again["segments"] > 0
    for secret in ("pa55word", "wrongword"):
        assert secret not in streamer.log


async def test_a_push_is_stopped_and_started_by_the_api(streamer: Streamer) -> None:
    rtmp = free_port()
    streamer.write(
        f"""
rtmp 127.0.0.1:{rtmp};
stream two {{ input publish://; }}
stream live {{ input fake://fake; push rtmp://127.0.0.1:{rtmp}/static/two; }}
"""
    )
    await streamer.serve()
    await streamer.running("two")
    url = f"rtmp://127.0.0.1:{rtmp}/static/two"
    body: dict[str, Any] = {"pushes": [{"url": url, "disabled": True}]}
    status, _ = await streamer.api("PUT", "/streams/live", json=body)
    assert status == 200

    async def is_unpublished() -> bool:
        stats = (await streamer.stream("two"))["stats"]
        return "published_via" not in stats and await pushes(streamer) == [{}]

    await until(is_unpublished, "the publisher is gone")
    body = {"pushes": [{"url": url}]}
    assert (await streamer.api("PUT", "/streams/live", json=body))[0] == 200
    await push_is(streamer, "running")


async def test_an_on_demand_stream_stays_on_for_its_push(streamer: Streamer) -> None:
    rtmp = free_port()
    streamer.write(
        f"""
rtmp 127.0.0.1:{rtmp};
stream two {{ input publish://; }}
stream live {{
  input fake://fake; static false; clients_timeout 1;
  push rtmp://127.0.0.1:{rtmp}/static/two;
}}
"""
    )
    await streamer.serve()
    await streamer.running("two")

    async def outlived_its_timeout() -> bool:
        return bool((await streamer.stream("two"))["stats"].get("lifetime", 0) > 3000)

    await until(outlived_its_timeout, "the push goes on without viewers")
    assert (await streamer.stream("live"))["stats"]["alive"]


async def test_refusals_are_told_and_limited(streamer: Streamer) -> None:
    """A wrong password, nobody there, an answer of 404, a URL that cannot be: in words, masked."""
    rtmp, nobody = free_port(), free_port()
    streamer.write(
        f"""
rtmp 127.0.0.1:{rtmp};
stream two {{ input publish://; password secret; }}
stream live {{
  input fake://fake;
  push rtmp://127.0.0.1:{rtmp}/static/two?password=wrongword retry_timeout=1 retry_limit=1;
  push rtmp://127.0.0.1:{nobody}/static/keyword retry_timeout=1;
  push tshttp://127.0.0.1:{streamer.http_port}/none/mpegts retry_timeout=1 retry_limit=0;
  push rtmp://who:passphrase@127.0.0.1/static/x;
}}
"""
    )
    await streamer.serve()
    refused = await push_is(streamer, "error", index=0)
    assert "password of the stream is wrong" in refused["error"]
    assert refused["errors_not_authorized"] == 2
    assert refused["retries"] == 1
    away = await push_is(streamer, "retry", index=1)
    assert away["error"] == "connection refused"
    unknown = await push_is(streamer, "error", index=2)
    assert unknown["errors_404"] == 1
    assert "login" in (await push_is(streamer, "error", index=3))["error"]
    _, shown = await streamer.api("GET", "/streams/live", auth=VIEWER)
    for secret in ("wrongword", "keyword", "passphrase"):
        assert secret not in streamer.log
        assert secret not in str(shown)
    assert "push to rtmp://127.0.0.1" in streamer.log


async def test_a_dead_target_and_a_deaf_one_harm_no_other(streamer: Streamer) -> None:
    """One refuses, one takes the connection and reads nothing, one works: all of it arrives."""
    received = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while size := int(await reader.readline() or b"0", 16):
                received.extend(await reader.readexactly(size))
                await reader.readexactly(2)
        writer.close()

    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()  # the kernel takes connections, and nobody reads
        server = await asyncio.start_server(take, "127.0.0.1", 0)
        working, nobody = server.sockets[0].getsockname()[1], free_port()
        streamer.write(
            f"""
stream live {{
  input fake://fake;
  push tshttp://127.0.0.1:{nobody}/dead retry_timeout=1;
  push tshttp://127.0.0.1:{deaf.getsockname()[1]}/deaf;
  push tshttp://127.0.0.1:{working}/works retry_timeout=1;
}}
"""
        )
        try:
            await streamer.serve()
            await push_is(streamer, "running", index=1)

            async def has_failed_often() -> bool:
                return bool((await pushes(streamer))[0].get("retries", 0) > 2)

            await until(has_failed_often, "the dead target is tried again and again")
            before = len(received)
            await grows(streamer, index=1)  # what it does not take waits, within a bound
            await grows(streamer, index=2)
            one = (await pushes(streamer))[2]
            assert (one["status"], one.get("retries", 0)) == ("running", 0), one
            assert one.get("errors_dropped_segments", 0) == 0
            assert len(received) > before > 0
            assert is_continuous(bytes(received))
        finally:
            server.close()
            streamer.write("")
            await streamer.serve()


async def test_a_target_that_takes_a_byte_a_second(streamer: Streamer) -> None:
    """It is told, with what is left out; another push and who watches notice nothing."""
    films = streamer.directory / "slow-films"
    rich_film(films)

    async def sip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = writer.get_extra_info("socket").dup()
        try:
            while True:
                await asyncio.sleep(1)
                with contextlib.suppress(BlockingIOError):
                    taken.recv(1)
        finally:
            taken.close()
            writer.transport.abort()

    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.bind(("127.0.0.1", 0))
        # What asyncio reads of itself is bounded: it is read by hand.
        server = await asyncio.start_server(sip, sock=slow, limit=1)
        streamer.write(
            f"""
vod slow-films {{ storage {films}; }}
stream copy {{ input publish://; }}
stream live {{
  input file://slow-films/rich.ts;
  push tshttp://127.0.0.1:{slow.getsockname()[1]}/slow timeout=2;
  push tshttp://127.0.0.1:{streamer.http_port}/copy/mpegts retry_timeout=1;
}}
"""
        )
        try:
            await streamer.serve()
            viewer = TsViewer(f"{streamer.base}/live/mpegts")
            await streamer.running("copy")

            async def is_said() -> Any:
                found = (await pushes(streamer))[0]
                return found if "takes less than" in found.get("error", "") else None

            said = await until(is_said, "the state says it", 30)
            assert said["status"] == "running"
            assert said["errors_dropped_segments"] >= 1
            assert "/slow: the receiver takes less than the stream has" in streamer.log
            seen = len(viewer.data)
            await grows(streamer, index=1)
            other = (await pushes(streamer))[1]
            assert (other["status"], other.get("retries", 0)) == ("running", 0), other
            assert other.get("errors_dropped_segments", 0) == 0
            assert len(viewer.data) > seen
            assert viewer.is_whole
            viewer.task.cancel()
            await asyncio.gather(viewer.task, return_exceptions=True)
        finally:
            server.close()
            streamer.write("")
            await streamer.serve()


@contextlib.asynccontextmanager
async def ffmpeg_listening(*source: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server that takes one publisher and prints the codecs of what it got."""
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "info", *source, "-t", "3", "-c", "copy", "-f", "null", "-"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("rtmp://127.0.0.1:{}/app/key", ("-listen", "1", "-i", "{}")),
        ("rtsp://127.0.0.1:{}/app/key", ("-rtsp_flags", "listen", "-i", "{}")),
        ("srt://127.0.0.1:{}", ("-i", "{}?mode=listener")),
    ],
    ids=["rtmp", "rtsp", "srt"],
)
async def test_to_ffmpeg(streamer: Streamer, url: str, source: tuple[str, ...]) -> None:
    """Another server: it comes back after its end, and the push with it."""
    url = url.format(free_port())
    streamer.write(f"stream live {{ input fake://fake; push {url} retry_timeout=1; }}")
    await streamer.serve()
    await push_is(streamer, "retry")
    for _ in range(2):
        arguments = [one.format(url) for one in source]
        async with ffmpeg_listening(*arguments) as receiver, asyncio.timeout(60):
            _, printed = await receiver.communicate()
        text = printed.decode()
        assert receiver.returncode == 0, text
        assert "Video: h264" in text, text
        assert "Audio: aac" in text, text


async def test_jobs_move_when_their_worker_dies(own_streamer: Streamer) -> None:
    streamer, rtmp = own_streamer, free_port()
    streamer.write(
        f"""
rtmp 127.0.0.1:{rtmp};
stream a {{ input publish://; }}
stream b {{ input publish://; }}
stream live {{
  input fake://fake;
  push rtmp://127.0.0.1:{rtmp}/static/a retry_timeout=1;
  push rtmp://127.0.0.1:{rtmp}/static/b retry_timeout=1;
}}
"""
    )
    await streamer.serve(STREAMER_EGRESS_WORKERS="2")
    for index in (0, 1):
        await push_is(streamer, "running", index=index)
    worker = streamer.worker("egress", "0")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)

    async def died() -> bool:
        return "egress worker 0" in streamer.log and streamer.worker("egress", "0") != worker

    await until(died, "the worker is another one")
    for index in (0, 1):
        await push_is(streamer, "running", index=index)
        await grows(streamer, index=index)
