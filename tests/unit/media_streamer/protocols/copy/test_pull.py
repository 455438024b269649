"""Copies of streams: within the worker, from another one, and those that are refused."""

import asyncio
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from media_api.input import InputConfig
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits
from media_streamer.protocols.copy.pull import create
from media_streamer.wire.channel import Channel, listen
from media_streamer.wire.homes import make_home, socket_of
from media_streamer.wire.media import (
    MEDIA_SIDE,
    End,
    Event,
    Events,
    Frames,
    FromEgress,
    FromMedia,
    Subscribe,
    Tracks,
)

TRACK = Track(0, "v1", "video", "h264", b"init", "avc1.64001f")
FRAME = Frame(0, 900, 1800, 3600, True, b"picture")
EVENTS: list[Event] = [Tracks([TRACK]), Frames(True, [FRAME])]


class Receiver:
    """Keeps what a copy gives."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.end: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.got_frame = asyncio.Event()

    def connected(self) -> None:
        self.said.append("connected")

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        self.said.append((list(tracks), list(time_bases)))

    def frame(self, *frame: Any) -> None:
        self.said.append(frame)
        self.got_frame.set()

    def relayed(self, frame: Frame) -> None:
        raise AssertionError("copies are on a clock of their own")

    def looped(self) -> None:
        raise AssertionError("copies do not loop")

    def ended(self, error: str | None) -> None:
        self.end.set_result(error)


class Stream:
    """Another stream of the worker."""

    def __init__(self, refused: str = "") -> None:
        self.copy_refused = refused
        self.sink: Callable[[Sequence[Event]], None] | None = None
        self.on_ended: Callable[[str], None] = lambda _: None

    def attach(
        self,
        format: str,
        sink: Callable[[Sequence[Event]], None],
        on_ended: Callable[[str], None],
    ) -> "Stream":
        assert format == "frames"
        self.sink, self.on_ended = sink, on_ended
        sink(EVENTS)
        return self

    def close(self) -> None:
        self.sink = None


class Neighbours:
    """A worker with some streams."""

    id = "0"

    def __init__(self, runtime: Path, **streams: Stream) -> None:
        self.runtime = runtime
        self._streams = streams

    def find(self, name: str) -> Stream | None:
        return self._streams.get(name)


class OtherWorker:
    """A media worker that has the stream `far`."""

    def __init__(self) -> None:
        self.channel: Channel[FromMedia, FromEgress] = Channel(MEDIA_SIDE, self)
        self.asked: list[Subscribe] = []
        self.closed = asyncio.Event()

    def on_message(self, message: FromEgress) -> None:
        assert isinstance(message, Subscribe)
        self.asked.append(message)
        events: list[Event] = {"far": EVENTS, "chain": [End("is_a_copy")]}.get(
            message.stream, [End("not_found")]
        )
        self.channel.send(Events(message.id, events))

    def on_closed(self, reason: str) -> None:
        self.closed.set()


def copy(name: str, neighbours: Neighbours) -> tuple[Input, Receiver]:
    receiver = Receiver()
    config = InputConfig.of(f"copy://{name}")
    made = create(InputRequest("mine", config, receiver, Limits(), neighbours=neighbours))
    made.start()
    return made, receiver


def test_a_stream_is_no_copy_of_itself(tmp_path: Path) -> None:
    async def make() -> None:
        copy("mine", Neighbours(tmp_path))

    with pytest.raises(InputError, match="itself"):
        asyncio.run(make())


async def test_frames_within_the_worker(tmp_path: Path) -> None:
    near = Stream()
    made, receiver = copy("near", Neighbours(tmp_path, near=near))
    await asyncio.wait_for(receiver.got_frame.wait(), 10)
    assert ([TRACK], [Fraction(1, 90_000)]) in receiver.said
    assert (0, 900, 1800, 3600, True, b"picture") in receiver.said
    made.stop()
    assert near.sink is None
    assert await receiver.end is None


async def test_the_end_of_the_other_stream_is_that_of_the_copy(tmp_path: Path) -> None:
    near = Stream()
    _, receiver = copy("near", Neighbours(tmp_path, near=near))
    await asyncio.wait_for(receiver.got_frame.wait(), 10)
    near.on_ended("stream_removed")
    assert await receiver.end == "the stream near has ended: stream_removed"


@pytest.mark.parametrize(
    ("refused", "words"), [("is_a_copy", "a copy itself"), ("disabled", "dis")]
)
async def test_what_may_not_be_copied(tmp_path: Path, refused: str, words: str) -> None:
    _, receiver = copy("near", Neighbours(tmp_path, near=Stream(refused)))
    error = await asyncio.wait_for(receiver.end, 10)
    assert error is not None
    assert words in error


async def test_frames_of_another_worker(tmp_path: Path) -> None:
    workers: list[OtherWorker] = []

    def accept() -> Channel[FromMedia, FromEgress]:
        workers.append(OtherWorker())
        return workers[-1].channel

    for worker in "012":
        make_home(tmp_path, "media", worker)
    socket_of(tmp_path, "media", "0").touch()  # its own: never asked
    socket_of(tmp_path, "media", "2").touch()  # nobody listens there
    server = await listen(socket_of(tmp_path, "media", "1"), accept)
    made, receiver = copy("far", Neighbours(tmp_path))
    await asyncio.wait_for(receiver.got_frame.wait(), 10)
    assert workers[0].asked[0].copies
    made.stop()
    assert await receiver.end is None
    await asyncio.wait_for(workers[0].closed.wait(), 10)
    for name, words in {"nowhere": "there is no stream nowhere", "chain": "a copy itself"}.items():
        _, receiver = copy(name, Neighbours(tmp_path))
        error = await asyncio.wait_for(receiver.end, 10)
        assert error is not None
        assert words in error
    server.close()
