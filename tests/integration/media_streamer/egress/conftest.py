"""A real egress worker process between a small supervisor and a small media worker.

Both speak the real messages over the real sockets.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
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
from media_streamer.wire.homes import make_home, socket_of
from media_streamer.wire.media import (
    Events,
    Subscribe,
)
from media_streamer.wire.peer import Peer
from msgspec.structs import replace

from tests.support.forked import ForkServer
from tests.support.once import once
from tests.support.ports import free_port
from tests.support.process import Process

from .fake_media import Canned, FakeMedia, Tell, bunny, cut_flv, cut_ts, encode


@pytest.fixture(scope="session")
def canned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Canned]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    flags = ("-flvflags", "no_duration_filesize")
    flv = once(tmp_path_factory, "canned.flv", lambda path: encode(path, *flags))
    ts = once(tmp_path_factory, "canned.ts", lambda path: encode(path, "-f", "mpegts"))
    return {"flv": cut_flv(flv.read_bytes()), "ts": cut_ts(ts.read_bytes())}


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
    make_home(runtime, "media", "0")
    media = FakeMedia(socket_of(runtime, "media", "0"), canned)
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
        await asyncio.wait_for(state.ready.wait(), 60)
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
                    await asyncio.wait_for(state.process.wait(), 60)
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
