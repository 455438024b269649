"""The life of a stream: who keeps it running, and stages that fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from media_api.stream import StreamConfig
from media_streamer.media.flags import Flags
from media_streamer.media.graveyard import Graveyard
from media_streamer.media.inputs.base import Stored
from media_streamer.media.settings import OutputSettings
from media_streamer.media.stages import Converter, StageSpec
from media_streamer.media.stream import StreamRunner
from media_streamer.wire.media import Outage


class Environment:
    def __init__(self) -> None:
        self.graveyard = Graveyard()
        self.flags = Flags()
        self.events: list[str] = []
        self.intervals: list[float] = []
        self.arrivals = 0

    neighbours = None
    stages: Sequence[StageSpec] = ()

    def emit(self, name: str, event: str, fields: dict[str, Any]) -> None:
        self.events.append(event)

    def output_settings(self, config: StreamConfig) -> OutputSettings:
        return OutputSettings(config.name, Path("/nowhere"))

    def changed(self, stream: StreamRunner) -> None:
        self.intervals.append(stream.interval)

    def arrived(self, stream: StreamRunner) -> None:
        self.arrivals += 1


Make = Callable[..., StreamRunner]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[StreamRunner] = []

    def one(**options: object) -> StreamRunner:
        config = {"name": "live/x", "inputs": [{"url": "publish://"}], **options}
        runner = StreamRunner(StreamConfig.model_validate(config), Stored(), Environment())
        made.append(runner)
        runner.run()
        return runner

    yield one
    for runner in made:
        await runner.close("test is over")


async def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


def nothing(*_: object) -> None:
    pass


async def test_frames_that_fail_to_come_are_told_and_that_they_are_back() -> None:
    environment = Environment()
    for options in (
        {"inputs": [{"url": "publish://"}], "frames_timeout": 2},
        {"inputs": [{"url": "publish://", "frames_timeout": 2}], "frames_timeout": 60},
    ):
        config = StreamConfig.model_validate({"name": "s", **options})
        runner = StreamRunner(config, Stored(), environment)
        runner.run()
        try:
            runner.publish("frames", "", "", nothing, nothing)
            (slot,) = runner.ingest.slots
            assert slot.source is not None
            now = time.monotonic()
            environment.events.clear()
            runner.ingest.check(now + 3)
            assert environment.events == [], "nothing has come yet"
            slot.source.frames = 1
            runner.ingest.check(now + 3)
            runner.ingest.check(now)
            assert environment.events == ["frames_timed_out", "frames_restored"]
        finally:
            await runner.close("test is over")


async def test_a_viewer_starts_a_stream_on_demand_and_a_recording_does_not(make: Make) -> None:
    runner = make(static=False, clients_timeout=1)
    ended: list[str] = []
    recording = runner.attach("frames", nothing, ended.append, pinned=True, keeps_running=False)
    assert runner.output is None
    viewer = runner.attach("frames", nothing, ended.append)
    assert runner.output is not None
    assert runner.output.stats().subscribers == {"frames": 2}
    viewer.close()
    await until(lambda: runner.output is None)
    assert ended == []
    assert runner.subscribers == 1, "the recording waits"
    runner.start()
    await until(lambda: runner.output is not None)
    assert runner.output is not None
    assert runner.output.stats().subscribers == {"frames": 1}
    await runner.close("stream_removed")
    assert ended == ["stream_removed"]
    recording.close()


async def test_a_pinned_sink_may_keep_a_stream_running(make: Make) -> None:
    runner = make(static=False, clients_timeout=1)
    push = runner.attach("frames", nothing, nothing, pinned=True)
    runner.demand.used(-1e6)
    runner._step(asyncio.get_running_loop().time())
    assert runner.output is not None
    push.close()
    await until(lambda: runner.output is None)


class Broken(Converter):
    """Works only once it is allowed to."""

    works = False

    def start(self, downstream: Any, upstream: Any) -> None:
        if not Broken.works:
            raise OSError("no encoder")


@pytest.fixture
def broken_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = StageSpec("encoder", lambda config: True, lambda name, _: Broken(), essential=True)
    monkeypatch.setattr(Environment, "stages", (spec,))


@pytest.mark.usefixtures("broken_stage")
async def test_a_stream_whose_essential_stage_fails_says_so_and_tries_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Broken, "works", False)
    ended: list[str] = []
    runner = make(static=True)
    runner.attach("frames", nothing, ended.append)
    await until(lambda: runner.stage_error)
    assert runner.stage_error == "encoder: no encoder"
    assert runner.output is None
    assert "live/x: the output ends: encoder: no encoder; next attempt in 1 s" in caplog.text
    monkeypatch.setattr(Broken, "works", True)
    runner.restart()
    await until(lambda: runner.output is not None)
    assert runner.stage_error is None


async def test_who_takes_a_stream_says_how_long_it_may_gather(make: Make) -> None:
    runner = make()
    paces: list[float] = []
    runner.publish("frames", "127.0.0.1", "", nothing, paces.append)
    patient = runner.attach("hls_ts", nothing, nothing)
    assert runner.interval == 0.32
    watching = runner.attach("flv", nothing, nothing)
    assert runner.interval == 0.04
    runner.pace(watching, 0.16)
    assert runner.interval == 0.16
    watching.close()
    patient.close()
    assert paces == [0.32, 0.04, 0.16, 0.32]


async def test_viewers_hear_why_a_source_gives_nothing(make: Make) -> None:
    runner = make(inputs=[{"url": "file://nowhere/film.mp4"}])
    told: list[object] = []
    runner.attach("frames", told.extend, nothing)
    words = "its source gives no data (the file is in no VOD location: write file://LOCATION/path)"
    await until(lambda: Outage(words) in told)
    runner._step(time.monotonic() + 10)
    assert Outage(words, lasting=True) in told
    runner.config = runner.demand.config = runner.config.model_copy(update={"disabled": True})
    runner._step(time.monotonic() + 5)
    late: list[object] = []
    runner.attach("frames", late.extend, nothing, keeps_running=False)
    assert late == [], "one that is disabled has no outage"
