"""Processes of transcoders: a stand-in that only lives, as real children."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from media_api.stream import StreamConfig
from media_streamer.supervisor import transcoders
from media_streamer.supervisor.processes import Process
from media_streamer.supervisor.transcoders import TranscoderProcesses, files_of

STAND_IN = """
import os, signal, sys
from pathlib import Path
with Path(sys.argv[0]).with_name("log").open("a") as log:
    log.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\\n")
signal.pause()
"""


class Place:
    """Where the stand-in is, and what it logged."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "stand_in.py").write_text(STAND_IN)
        self._environment = {"PYTHONPATH": str(directory), "PYTHONSAFEPATH": "1"}
        self.processes = self.new()

    def new(self) -> TranscoderProcesses:
        return TranscoderProcesses(self.directory, self.run)

    async def run(self, module: str, arguments: list[str]) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, env=self._environment
        )

    @property
    def started(self) -> list[tuple[int, str]]:
        """Process id and arguments of each that began."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.directory / "log").read_text().splitlines()
            return [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in lines]
        return []

    async def began(self, count: int) -> int:
        """Process id of the newest, once so many began."""
        await until(lambda: len(self.started) >= count)
        return self.started[count - 1][0]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(transcoders, "MODULE", "stand_in")
    one = Place(tmp_path)
    yield one
    await one.processes.close()
    for pid, _ in one.started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_one_for_each_stream_until_it_is_wanted_no_more(place: Place) -> None:
    place.processes.use("0", {"a/b": 0})
    first = await place.began(1)
    socket = place.directory / "media-0/transcoders.sock"
    assert place.started[0][1] == f"--socket={socket} --stream=a/b"
    place.processes.use("0", {"a/b": first, "c": 0})
    second = await place.began(2)
    place.processes.use("1", {})  # another media worker needs none
    place.processes.use("0", {"c": second})
    await until(lambda: not lives(first))
    assert lives(second)
    await place.processes.close()
    assert not lives(second)


async def test_one_that_dies_is_started_again(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.processes.use("0", {"a": 0})
    os.kill(await place.began(1), signal.SIGKILL)
    assert lives(await place.began(2))
    assert "transcoder of stream a died" in caplog.text
    assert "SIGKILL" in caplog.text


async def test_one_that_may_not_read_what_is_configured_is_replaced(place: Place) -> None:
    files: dict[str, frozenset[Path]] = {"a": frozenset({Path("/srv/a.png")})}
    place.processes = TranscoderProcesses(place.directory, place.run, files.__getitem__)
    place.processes.use("0", {"a": 0})
    await place.began(1)
    assert place.started[0][1].endswith(" --read=/srv/a.png")
    place.processes.configured(["a", "b"])
    files["a"] = frozenset({Path("/srv/b.ttf"), Path("/srv/b.png")})
    place.processes.configured(["a"])
    await place.began(2)
    assert place.started[1][1].endswith(" --read=/srv/b.png --read=/srv/b.ttf")
    assert len(place.started) == 2


def test_logos_and_fonts_are_what_it_reads() -> None:
    logo = {"path": "/srv/logo.png"}
    config = StreamConfig.model_validate(
        {
            "name": "a",
            "transcoder": {
                "global": {"burn": {"time": {"font": {"file": "/srv/font.ttf"}}}},
                "video": [{"bitrate": 1, "logo": logo}, {"bitrate": 2, "alogo": {"path": "x.png"}}],
            },
        }
    )
    assert files_of(config) == {Path("/srv/logo.png"), Path("/srv/font.ttf")}
    assert files_of(StreamConfig(name="a")) == frozenset()


async def test_the_next_supervisor_takes_it_over(place: Place) -> None:
    place.processes.use("0", {"a": 0})
    pid = await place.began(1)
    successor = place.new()
    successor.use("0", {"a": pid})
    successor.use("0", {"a": pid})
    successor.use("0", {})
    await until(lambda: not lives(pid))
    await successor.close()
    assert next(one for one, _ in place.started) == pid


async def test_a_process_of_another_program_is_not_taken_over(place: Place) -> None:
    place.processes.use("0", {"a": os.getpid()})
    assert await place.began(1) != os.getpid()


async def test_that_of_another_stream_or_worker_is_not_taken_over(place: Place) -> None:
    """A media worker that was taken over may name any process: it would be killed."""
    place.processes.use("0", {"a": 0})
    other = await place.began(1)
    successor = place.new()
    successor.use("1", {"a": other})
    successor.use("0", {"b": other})
    assert await place.began(3) != other
    await successor.close()
    assert lives(other)


async def test_one_that_does_not_reach_its_media_worker_is_killed(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transcoders, "HELLO_TIMEOUT_SECONDS", 1.0)
    place.processes.use("0", {"a": 0})
    pid = await place.began(1)
    await until(lambda: not lives(pid))
    assert "does not reach its media worker" in caplog.text
