"""Samples of streams and of the server, with times that the test says."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from media_api.server import ServerConfig
from media_streamer.pulse.span import span_of
from media_streamer.supervisor.catalog import Catalog
from media_streamer.supervisor.pulse import HistoryUnavailable, Pulse
from media_streamer.supervisor.sessions import Session, SessionRegistry

from tests.support.streamer import until

NOW = int(time.time()) // 60 * 60 - 600
"""What is older than a year is dropped at once."""


class Deaf:
    """A listener of sessions."""

    def opened(self, session: Session) -> None: ...

    def started(self, session: Session) -> None: ...

    def closed(self, session: Session, workers: tuple[str, ...]) -> None: ...


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.catalog = Catalog()
        self.sessions = SessionRegistry(Deaf())
        self.pulse = Pulse(
            self.catalog, self.sessions, lambda: {"cpu_usage": 12, "total_clients": 3}
        )
        streams = [
            {"name": "a"},
            {"name": "idle", "static": False},
            {"name": "off", "pulse_off": True},
        ]
        self.catalog.set_config(ServerConfig.model_validate({"streams": streams}))

    def sample(self, at: int, **stats: object) -> None:
        self.catalog.streams["a"].stats = {"alive": True, **stats}
        self.pulse.sample(at)

    async def points(self, name: str) -> list[dict[str, float]]:
        span = span_of(NOW, NOW + 600, 300, NOW + 600)
        return await self.pulse.points("stream", name, span)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    one = World(tmp_path)
    one.pulse.use(str(tmp_path))
    yield one
    await one.pulse.close()


async def test_amounts_are_what_counters_grew_by(world: World) -> None:
    world.sample(NOW, bytes_in=1000, bitrate=8, input={"errors": 5})
    world.sample(NOW + 5, bytes_in=1500, bitrate=9, input={"errors": 6})
    world.sample(NOW + 10, bytes_in=200, bitrate=9)
    found = await world.points("a")
    assert [one["at"] for one in found] == [(NOW + n) * 1000 for n in (0, 5, 10)]
    assert [one["bytes_in"] for one in found] == [0, 500, 200]
    assert [one["errors"] for one in found] == [0, 1, 0]
    assert [one["bitrate"] for one in found] == [8, 9, 9]


async def test_what_is_stored_and_what_is_not_yet_are_one(world: World) -> None:
    for second in range(0, 130, 5):
        world.sample(NOW + second, bytes_in=second)
    assert len(await world.points("a")) == 26
    await world.pulse.close()
    world.pulse.use(None)
    world.pulse.use(str(world.directory))

    async def all_of_them() -> bool:  # the thread of before may still be storing
        return len(await world.points("a")) == 26

    await until(all_of_them, "all samples are stored", 60)
    server = span_of(NOW, NOW + 600, 300, NOW + 600)
    assert {one["cpu"] for one in await world.pulse.points("server", "", server)} == {12}
    assert await world.pulse.knows("a")
    assert not await world.pulse.knows("b")


async def test_who_idles_or_shall_have_no_history_has_none(world: World) -> None:
    world.sample(NOW)
    assert await world.points("idle") == []
    assert await world.points("off") == []


async def test_without_a_directory_there_is_no_history(world: World) -> None:
    world.pulse.use(None)
    with pytest.raises(HistoryUnavailable, match="pulsedb"):
        await world.points("a")


async def test_a_file_that_cannot_be_read_is_said(world: World) -> None:
    (world.directory / "pulse.sqlite3").write_bytes(b"garbage" * 1000)
    world.sample(NOW)
    with pytest.raises(HistoryUnavailable, match="cannot be read"):
        await world.points("a")
