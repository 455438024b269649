"""Frames of another server, from one that sends them and from some that do not."""

import asyncio
import threading
from collections.abc import Sequence
from fractions import Fraction

import pytest
from media_api.input import InputConfig
from media_rest.credentials import parse_authorization
from media_streamer.media.frame import Cut, Frame, Track
from media_streamer.media.inputs.base import InputRequest, Limits
from media_streamer.protocols.m4f.pull import MAX_AGE_SECONDS, age_of, create, source_url
from media_streamer.wire.relay import frame_record, tracks_record

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
TRACK = Track(0, "v1", "video", "vp9", b"init", "vp09.00.10.08")
FRAME = Frame(0, 90, 180, 3600, True, b"picture", cut=Cut(7, 3, 1000, 90, 90, 5000))
STREAM = OK + tracks_record([TRACK]) + frame_record(FRAME)


class Receiver:
    """Keeps what comes; `over` is set at the end."""

    def __init__(self) -> None:
        self.got: list[object] = []
        self.error: str | None = None
        self.over = threading.Event()

    def connected(self) -> None:
        self.got.append("connected")

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        self.got.append((list(tracks), list(time_bases)))

    def frame(
        self, track: int, dts: int | None, pts: int | None, duration: int | None, key: bool,
        data: bytes,
    ) -> None:  # fmt: skip
        raise AssertionError("it comes with its clock")

    def relayed(self, frame: Frame) -> None:
        self.got.append(frame)

    def looped(self) -> None:
        self.got.append("looped")

    def ended(self, error: str | None) -> None:
        self.error = error
        self.over.set()


async def pulled(answer: bytes, *, ends: bool = True) -> tuple[Receiver, bytes]:
    """What a server makes of an input that answers so, and what it was asked."""
    asked = b""
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not ends:
            await over.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = InputConfig(url=f"m4f://127.0.0.1:{port}/a/b", cluster_key="key")
    receiver = Receiver()
    request = InputRequest("s", config, receiver, Limits(5.0, 1.0))
    reading = create(request)
    reading.start()
    assert await asyncio.to_thread(receiver.over.wait, 30)
    over.set()
    server.close()
    await server.wait_closed()
    return receiver, asked


async def test_frames_as_they_are() -> None:
    receiver, asked = await pulled(STREAM)
    assert receiver.got == [
        "connected",
        ([TRACK], [Fraction(1, 90_000)]),
        FRAME,
    ]
    assert receiver.error == "the source ended"
    head = asked.decode().splitlines()
    assert head[0] == "GET /a/b/m4f HTTP/1.1"
    shown = next(line for line in head if line.startswith("Authorization: "))
    credentials = parse_authorization(shown.removeprefix("Authorization: "))
    assert credentials is not None
    assert credentials.kind == "cluster"


@pytest.mark.parametrize(
    ("answer", "ends", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", True, "403"),
        (OK + b"<html>", True, "no stream of frames"),
        (OK + frame_record(FRAME), True, "of no track"),
        (STREAM, False, "timed out"),
        (b"\xff\xfe\r\n\r\n", True, "no HTTP"),
    ],
)
async def test_what_is_none(answer: bytes, ends: bool, words: str) -> None:
    receiver, _ = await pulled(answer, ends=ends)
    assert words in str(receiver.error)


def test_urls() -> None:
    assert source_url("m4f://h:80/a/b") == "http://h:80/a/b/m4f"
    assert source_url("m4ss://h/a/") == "https://h/a/m4f"


@pytest.mark.parametrize(
    ("utc_ms", "age"),
    [
        (0, 0.0),
        (999_000, 1.0),
        (1_000_500, -0.5),
        (1_002_000, 0.0),
        (int(1_000_000 - 1000 * MAX_AGE_SECONDS), 0.0),
    ],
    ids=["not told", "past", "ahead a little", "clocks are not set", "older than can be"],
)
def test_how_old_a_frame_is(utc_ms: int, age: float) -> None:
    assert age_of(Frame(0, 0, 0, 0, True, b"", utc_ms), 1000.0) == age
