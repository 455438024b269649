"""Episodes of a Central with its database keep recordings that a streamer would delete.

The streamer is its supervisor, with its API and its disk, as Central provisions it; the moments at
which it looks at its limits are the test's.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from media_streamer.api.server import make_app
from media_streamer.archive.places import HOUR_MS, file_path, files_between
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.supervisor import Supervisor

from .conftest import RunningCentral, StartCentral

Eventually = Callable[..., Awaitable[Any]]
NAMES = ("aged", "sized")
ALL = [5, 4, 3, 2, 1, 0]


@dataclass
class Node:
    """A streamer that records nothing, and has an archive."""

    supervisor: Supervisor
    archive: Path
    url: str
    now: int
    """Unix ms as the test begins: files grow old while others run."""

    @property
    def problem(self) -> str:
        return self.supervisor.facade.archives.alerts().get("episodes", "")

    def record(self) -> None:
        """A file of 10 kB an hour for each stream; the newest of them begins now."""
        for name in NAMES:
            for hour in range(len(ALL)):
                path = file_path(self.archive / name, self.now - hour * HOUR_MS)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(bytes(10_000))

    def left(self, name: str) -> list[int]:
        """Ages of the files in hours."""
        found = files_between(self.archive / name)
        return [(self.now - file.start_ms) // HOUR_MS for file in found]

    def look(self) -> None:
        """It is time to look at the limits."""
        self.supervisor.facade.archives.tick(time.monotonic() + 3600)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    home = tmp_path / "node"
    home.mkdir()
    config = home / "flussonic.conf"
    config.write_text("http 8080; edit_auth admin secret; cluster_key between-us;\n")
    settings = Settings(config, home, home, home, 1, 1, "s1")
    async with aiohttp.ClientSession() as http:
        supervisor = Supervisor(settings, {}, http)
        await supervisor.facade.configuration.start()
        async with TestServer(make_app(supervisor.facade)) as server:
            url = str(server.make_url("")).rstrip("/")
            yield Node(supervisor, home / "archive", url, int(time.time() * 1000))
            await supervisor._shut_down()


def episode(now: int, name: str, from_hours: float, to_hours: float) -> dict[str, Any]:
    """From one age to another."""
    begin, end = (now - int(hours * HOUR_MS) for hours in (from_hours, to_hours))
    return {"media": name, "opened_at": begin, "updated_at": end}


async def given(central: RunningCentral, node: Node, eventually: Eventually) -> None:
    """Central knows the streamer, and the streamer has its streams."""
    streamer = {"api_url": node.url, "cluster_key": "between-us"}
    assert (await central.api("PUT", "/streamers/s1", streamer))[0] == 200
    for name, limit in zip(NAMES, ({"expiration": 7200}, {"storage_limit": 35_000}), strict=True):
        stream = {"inputs": [{"url": "publish://"}], "dvr": {"root": str(node.archive), **limit}}
        assert (await central.api("PUT", f"/streams/{name}", stream))[0] == 200

    def is_ready() -> bool:
        node.look()
        archives = node.supervisor.facade.archives
        return all(archives.place(name) is not None for name in NAMES)

    await eventually(is_ready)


async def test_what_central_keeps_outlives_the_limits(
    start_central: StartCentral, node: Node, eventually: Eventually
) -> None:
    central = await start_central()
    await given(central, node, eventually)
    api = central.api
    for number, name in enumerate(NAMES, 1):
        kept = episode(node.now, name, 3.9, 3.8)
        assert (await api("PUT", f"/episodes/{number}", kept))[0] == 200
    # Its last sign comes later than its first.
    assert (await api("PUT", "/episodes/1", {"updated_at": node.now - 5 * HOUR_MS // 2}))[0] == 200
    node.record()

    async def are_left(aged: list[int], sized: list[int]) -> None:
        def found() -> bool:
            node.look()
            return [node.left(name) for name in NAMES] == [aged, sized]

        await eventually(found)

    await are_left([4, 3, 2, 1, 0], [4, 1, 0])
    assert (await api("DELETE", "/episodes/1"))[0] == 204
    await are_left([2, 1, 0], [4, 1, 0])

    await central.stop()
    node.record()

    def is_said() -> bool:
        node.look()
        return "nothing is deleted" in node.problem

    await eventually(is_said)
    for _ in range(5):
        node.look()
        await asyncio.sleep(0.05)
    assert [node.left(name) for name in NAMES] == [ALL, ALL]

    # Another one with the same database goes on.
    await start_central(http_port=central.settings.http_port)
    await are_left([2, 1, 0], [4, 1, 0])
    assert node.problem == ""
