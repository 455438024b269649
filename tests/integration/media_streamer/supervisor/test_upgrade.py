"""The program is replaced in its place, as a package manager does, under a streamer that runs.

The two versions are copies of the program with another message between its processes, so neither
understands the other.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import media_streamer
import pytest

from tests.support import proc
from tests.support.streamer import Streamer, until
from tests.support.ts_viewer import TsViewer

pytestmark = pytest.mark.long

PROGRAM = Path(media_streamer.__file__).parent
MESSAGE = Path("wire", "control", "access.py")
FIELD = '    mode: Literal["", "play", "publish"]\n'


class Installed:
    """The program at a place of its own, by which a streamer is started."""

    def __init__(self, place: Path, runtime: str) -> None:
        self.place, self._runtime = place, runtime
        shutil.copytree(
            PROGRAM, place / "media_streamer", ignore=shutil.ignore_patterns("__pycache__")
        )

    def replace(self) -> None:
        """By another version."""
        for path in (MESSAGE, Path("keeper.py")):
            file = self.place / "media_streamer" / path
            before = file.read_text()
            after = before.replace(FIELD, FIELD.replace("mode", "newer_mode")) + "# newer\n"
            made = file.with_suffix(".dpkg-new")
            made.write_text(after)
            made.replace(file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(self.place),
            "PYTHONDONTWRITEBYTECODE": "1",
            "STREAMER_RUNTIME_DIR": self._runtime,  # as the service's unit has one
        }


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    with tempfile.TemporaryDirectory() as runtime:  # sockets have short paths (unix(7))
        yield Installed(tmp_path / "program", runtime)


@pytest.fixture
async def streamer(own_streamer: Streamer, installed: Installed) -> AsyncIterator[Streamer]:
    """Of the first version, with a stream that plays."""
    own_streamer.write("stream demo { input fake://fake; }")
    await own_streamer.serve(**installed.environment)
    await own_streamer.running("demo")
    yield own_streamer
    assert "Traceback" not in own_streamer.log, own_streamer.log


async def plays(streamer: Streamer) -> None:
    await streamer.running("demo")
    viewer = TsViewer(f"{streamer.base}/demo/mpegts")

    async def has_data() -> bool:
        return len(viewer.data) > 100_000

    try:
        await until(has_data, "the stream plays")
    finally:
        viewer.task.cancel()
        await asyncio.gather(viewer.task, return_exceptions=True)


async def gone(pids: list[int]) -> None:
    async def all_gone() -> bool:
        return not any(proc.is_alive(pid) for pid in pids)

    await until(all_gone, f"{pids} have ended")


async def test_workers_of_the_version_before_are_replaced(
    streamer: Streamer, installed: Installed
) -> None:
    """Keeper and supervisor are killed at once: the workers are there when the next one begins."""
    assert streamer.process is not None
    supervisor, workers = streamer.supervisor, streamer.children()
    servers = streamer.fork_servers()
    installed.replace()
    os.kill(supervisor, signal.SIGSTOP)  # else it ends its workers
    os.kill(streamer.process.pid, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    await streamer.process.wait()
    await gone(servers)
    assert all(proc.is_alive(pid) for pid in workers)
    await streamer.serve(**installed.environment)
    await plays(streamer)
    await gone(workers)
    assert len(streamer.children()) == len(workers)
    assert "of another version" in streamer.log


async def test_one_that_says_it_late_is_replaced_as_well(
    streamer: Streamer, installed: Installed
) -> None:
    """A media worker that had no CPU time while the next server began: it holds no port."""
    assert streamer.process is not None
    supervisor, media = streamer.supervisor, streamer.worker("media")
    assert media is not None
    installed.replace()
    for pid in (supervisor, media):
        os.kill(pid, signal.SIGSTOP)
    os.kill(streamer.process.pid, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    await streamer.process.wait()
    await streamer.serve(**installed.environment)
    os.kill(media, signal.SIGCONT)
    await gone([media])
    await plays(streamer)
    assert streamer.worker("media") not in (None, media)


async def test_a_supervisor_that_is_killed_afterwards_ends_the_server(
    streamer: Streamer, installed: Installed
) -> None:
    """What is loaded of the version before and what would be loaded of this one do not fit."""
    assert streamer.process is not None
    below = [*streamer.children(), *streamer.fork_servers()]
    installed.replace()
    os.kill(streamer.supervisor, signal.SIGKILL)
    assert await asyncio.wait_for(streamer.process.wait(), 60) == 1
    assert "the program was replaced meanwhile" in streamer.log
    await gone(below)
    await streamer.serve(**installed.environment)
    await plays(streamer)


async def test_viewers_stay_though_what_workers_are_forked_from_is_killed_afterwards(
    streamer: Streamer, installed: Installed
) -> None:
    """The next worker would be of the other version: it says so, and the service's restart mends
    it."""
    viewer = TsViewer(f"{streamer.base}/demo/mpegts")
    workers = streamer.children()
    installed.replace()
    before = streamer.fork_servers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    async def others() -> bool:
        return len(found := streamer.fork_servers()) == 2 and not set(found) & set(before)

    await until(others, "other fork servers")
    size = len(viewer.data)

    async def goes_on() -> bool:
        return len(viewer.data) > size + 100_000

    await until(goes_on, "the viewer gets more")
    assert streamer.children() == workers
    os.kill(worker := streamer.worker("media") or 0, signal.SIGKILL)
    await gone([worker])

    async def is_said() -> bool:
        return "of another version" in streamer.log

    await until(is_said, "the next one is of another version")
    viewer.task.cancel()
    await asyncio.gather(viewer.task, return_exceptions=True)
    assert await streamer.stop() == 0
    await streamer.serve(**installed.environment)
    await plays(streamer)
