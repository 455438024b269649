"""Viewers that leave, that stop reading and that say nothing: the server is then as before."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.players import complaints, play
from tests.support.rtmp_request import play as rtmp_play
from tests.support.streamer import until

from .conftest import FilmStreamer

PATHS = ("good/mpegts", "good.flv", "good/index.m3u8", "good/index.ll.m3u8", "good/index.fmp4.m3u8")
VIEWERS = 40
"""Of each protocol."""
MIB = 1024 * 1024
ALLOWED_GROWTH = 24 * MIB
"""Allocators keep some of what was freed; a viewer's buffer that stayed would be 4 MiB each."""
GONE_SECONDS = 10


@pytest.fixture
async def showing(streamer: FilmStreamer) -> FilmStreamer:
    streamer.write("stream good { input file://vod/bigbuckbunny.mp4; segment_duration 1; }\n")
    await streamer.serve()
    await streamer.running("good")
    for path in PATHS:  # all formats are running before anything is measured
        await play(f"{streamer.base}/{path}", 1)
    await play(f"{streamer.rtmp}/static/good", 1)
    return streamer


def pid(streamer: FilmStreamer) -> int:
    found = streamer.worker("egress")
    assert found is not None
    return found


def memory(streamer: FilmStreamer) -> int:
    """Resident bytes of the egress worker."""
    pages = Path(f"/proc/{pid(streamer)}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def open_files(streamer: FilmStreamer) -> int:
    return len(os.listdir(f"/proc/{pid(streamer)}/fd"))


async def clients(streamer: FilmStreamer) -> int:
    """Sessions, but for those of HLS: they last until the viewer can no longer come back."""
    _, answer = await streamer.api("GET", "/sessions?limit=10000")
    return sum(one["proto"] not in {"hls", "llhls"} for one in answer["sessions"])


@contextlib.contextmanager
def viewers(streamer: FilmStreamer, path: str, count: int) -> Iterator[list[socket.socket]]:
    """Sockets that asked for `path` (`rtmp`: for the stream) and read nothing yet."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            if path == "rtmp":
                one = rtmp_play("127.0.0.1", streamer.rtmp_port, "static", "good")
            else:
                one = socket.socket()
                # The kernel must not take the whole stream in place of the viewer.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                one.connect(("127.0.0.1", streamer.http_port))
                one.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            stack.enter_context(one)
            found.append(one)
        yield found


async def as_before(streamer: FilmStreamer, files: int, resident: int) -> None:
    """All sockets, sessions and memory of the viewers are gone."""
    await until(
        lambda: _true(open_files(streamer) <= files),
        f"{open_files(streamer)} open files are {files} again",
    )

    async def no_clients() -> bool:
        return not await clients(streamer)

    await until(no_clients, "no sessions", GONE_SECONDS)
    await until(
        lambda: _true(memory(streamer) < resident + ALLOWED_GROWTH),
        f"memory is {resident} again",
    )


async def _true(value: bool) -> bool:
    return value


async def test_viewers_that_leave(showing: FilmStreamer) -> None:
    """In the middle of an answer, with what was sent unread: the worst way to go."""
    await as_before(showing, 10_000, 2**40)
    files, resident = open_files(showing), memory(showing)
    for _ in range(3):
        for path in (*PATHS, "good/preview.jpg", "good/embed.html", "rtmp"):
            with await asyncio.to_thread(_entered, showing, path) as stack:
                await asyncio.sleep(0)
                stack.close()
    await as_before(showing, files, resident)
    assert not complaints(await play(f"{showing.base}/good/mpegts", 2), 25, ("video", "audio"))


def _entered(streamer: FilmStreamer, path: str) -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.enter_context(viewers(streamer, path, VIEWERS))
    return stack


@pytest.mark.parametrize(
    "path", ["good/mpegts", pytest.param("good.flv", marks=pytest.mark.long), "rtmp"]
)
async def test_viewers_that_stop_reading(showing: FilmStreamer, path: str) -> None:
    """Bounded while they are there, free when they are gone, and others see nothing of it."""
    await as_before(showing, 10_000, 2**40)
    files, resident = open_files(showing), memory(showing)
    with await asyncio.to_thread(_entered, showing, path) as stack:

        async def watched() -> bool:
            return await clients(showing) >= VIEWERS

        await until(watched, "all are viewers")
        url = f"{showing.rtmp}/static/good" if path == "rtmp" else f"{showing.base}/{path}"
        assert not complaints(await play(url, 8), 25, ("video", "audio")), showing.log
        assert memory(showing) < resident + VIEWERS * 8 * MIB
        stack.close()
    await as_before(showing, files, resident)


@pytest.mark.long
async def test_clients_that_say_nothing(showing: FilmStreamer) -> None:
    """Thousands of sockets without a word, or with half a one, are closed by the server."""
    await as_before(showing, 10_000, 2**40)
    files, resident = open_files(showing), memory(showing)
    words = {
        showing.http_port: (b"", b"GET /good/mp", b"GET /good/mpegts HTTP/1.1\r\nHost: x\r\n"),
        showing.rtmp_port: (b"", b"\x03", b"\x03" + bytes(1000)),
    }
    with contextlib.ExitStack() as stack:
        silent = []
        for _ in range(300):
            for port, starts in words.items():
                for start in starts:
                    one = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
                    one.setblocking(False)
                    if start:
                        one.send(start)
                    silent.append(one)
        for url in (f"{showing.base}/good/mpegts", f"{showing.rtmp}/static/good"):
            assert not complaints(await play(url, 2), 25, ("video", "audio")), url
        await until(
            lambda: _true(open_files(showing) <= files),
            "the server closes them",
            60,
        )
    await as_before(showing, files, resident)
