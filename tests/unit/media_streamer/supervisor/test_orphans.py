"""What falls to the supervisor does not stay as a zombie; whose end is awaited is not touched."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from media_streamer.supervisor import orphans
from media_streamer.supervisor.forks import MEDIA, Forks, ForkServer
from media_streamer.supervisor.processes import WatchedProcess

ENDS = [sys.executable, "-c", "raise SystemExit(7)"]


@pytest.fixture
async def forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Forks]:
    """Has begun something."""

    async def start(*_: object) -> None:
        """Nothing."""

    monkeypatch.setattr(orphans, "LOOK_SECONDS", 0.05, raising=False)
    monkeypatch.setattr(ForkServer, "start", start)
    every = Forks(tmp_path, {})
    await every.start(MEDIA, [])
    yield every
    await every.close()


def begun(*, apart: bool) -> subprocess.Popen[bytes]:
    """One that ends with 7; `apart`: in a session of its own, as workers."""
    return subprocess.Popen(ENDS, start_new_session=apart)


def there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def ended(pid: int) -> bool:
    """Wait until it has ended; whether its status was still there."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


@pytest.mark.usefixtures("forks")
async def test_what_nobody_waits_for_is_reaped() -> None:
    another = begun(apart=False)
    assert ended(another.pid)
    several = [begun(apart=True) for _ in range(3)]
    async with asyncio.timeout(20):
        while any(there(one.pid) for one in several):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    for one in several:
        one.returncode = 0
    assert another.wait() == 7


@pytest.mark.usefixtures("forks")
async def test_a_status_that_somebody_waits_for_stays() -> None:
    own = begun(apart=False)
    assert ended(own.pid)
    await asyncio.sleep(0.3)
    assert own.wait() == 7
    for _ in range(5):
        other = await asyncio.create_subprocess_exec(*ENDS)
        assert await other.wait() == 7
        worker = begun(apart=True)
        process = WatchedProcess(worker.pid, is_child=True)
        worker.returncode = await process.wait()
        assert (worker.returncode, process.is_known) == (7, True)


async def test_a_fork_server_that_is_not_watched_yet_is_known(forks: Forks) -> None:
    server = forks._media._running = begun(apart=True)
    assert ended(server.pid)
    await asyncio.sleep(0.3)
    assert server.wait() == 7
