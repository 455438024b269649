"""The pool keeps real processes running: small scripts stand in for the workers."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from media_streamer.supervisor import processes as module
from media_streamer.supervisor.processes import (
    HELLO_TIMEOUT_SECONDS,
    MAX_PAUSE_SECONDS,
    STABLE_SECONDS,
    Process,
    ProcessPool,
    Worker,
    worker_environment,
)

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', file=open(sys.argv[1], 'w')); time.sleep(60)"
)


class Pool:
    """A pool whose workers run `script`."""

    def __init__(self, tmp_path: Path) -> None:
        self.script = SLEEP
        self.mark = tmp_path / "mark"
        self.deaths: list[tuple[str, float, str]] = []
        self.pool = ProcessPool(self.run)
        self.pool.begin(self._died)

    async def run(self, worker: Worker) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", self.script, str(self.mark)
        )

    async def _died(self, worker: Worker, uptime: float) -> None:
        self.deaths.append((worker.id, uptime, worker.killed_because))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Pool]:
    pool = Pool(tmp_path)
    yield pool
    await pool.pool.stop_all()


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_dead_worker_is_replaced(world: Pool) -> None:
    worker = world.pool.start("media", "0")
    await until(lambda: worker.pid)
    first = worker.pid
    assert first is not None
    os.kill(first, 9)
    await until(lambda: worker.pid not in (None, first))
    assert [name for name, _, _ in world.deaths] == ["0"]
    assert world.pool.start("media", "0") is worker


async def test_a_worker_that_cannot_start_is_not_started_in_a_hurry(world: Pool) -> None:
    world.script = "raise SystemExit(3)"
    worker = world.pool.start("media", "0")
    await until(lambda: worker.restarts >= 3)
    other = Worker("media", "2")
    pauses = [other.pause_after_death(0.1) for _ in range(12)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.0, MAX_PAUSE_SECONDS)
    assert other.pause_after_death(STABLE_SECONDS) == 0.0


async def test_a_silent_worker_is_killed(world: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(module, "WATCH_INTERVAL_SECONDS", 0.1)
    worker = world.pool.start("media", "0")
    await until(lambda: worker.pid)
    worker.said_hello = True
    worker.heard()
    await until(lambda: world.deaths)
    assert "silent" in world.deaths[0][2]
    await until(lambda: not worker.said_hello)


def test_a_worker_has_more_time_to_start() -> None:
    worker = Worker("egress", "0", started_at=100.0)
    assert worker.silent_for(100.0 + HELLO_TIMEOUT_SECONDS) == 0
    worker.said_hello = True
    assert worker.silent_for(100.0 + HELLO_TIMEOUT_SECONDS) > 0


async def test_a_stubborn_worker_is_killed_at_the_end(
    world: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITING_SECONDS", 0.3)
    world.script = STUBBORN
    worker = world.pool.start("media", "0")
    await until(world.mark.exists)
    await world.pool.stop_all()
    assert worker.process is not None
    assert worker.process.returncode == -9
    assert not world.deaths


def test_workers_get_a_frugal_allocator_unless_the_user_wants_another(tmp_path: Path) -> None:
    default = worker_environment(tmp_path / "r", tmp_path / "s", {"HOME": "/root"})
    assert default["MALLOC_ARENA_MAX"] == "2"
    assert default["HOME"] == "/root"
    assert default["PYTHONSAFEPATH"] == "1", "no modules of where the server was started"
    environ = {"MALLOC_ARENA_MAX": "8", "STREAMER_RUNTIME_DIR": "/elsewhere"}
    chosen = worker_environment(tmp_path / "r", tmp_path / "s", environ)
    assert chosen["MALLOC_ARENA_MAX"] == "8"
    assert chosen["STREAMER_RUNTIME_DIR"] == str(tmp_path / "r")


def test_workers_get_no_secrets(tmp_path: Path) -> None:
    secret = {
        "STREAMER_EDIT_AUTH",
        "FLUSSONIC_VIEW_AUTH",
        "STREAMER_CLUSTER_KEY",
        "FLUSSONIC_CONFIG_EXTERNAL",
        "STREAMER_CONFIG_EXTERNAL_TOKEN_FILE",
        "API_KEY",
        "PGPASSWORD",
        "DATABASE_URL",
        "GITHUB_TOKEN",
    }
    known = ("PATH", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "STREAMER_LINK_LOCAL_ALLOWED",
             "AWS_SECRET_ACCESS_KEY")  # fmt: skip
    found = worker_environment(tmp_path, tmp_path, dict.fromkeys((*secret, *known), "x"))
    assert not found.keys() & secret
    assert found.keys() >= set(known)


async def test_a_worker_that_lives_already_is_kept_and_replaced(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    living = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEP)
    pool.pool = ProcessPool(pool.run)
    pool.pool.adopt("media", "0", living.pid)
    pool.pool.adopt("media", "1", 2**22 + 1)  # nobody has that number
    assert pool.pool.get("media", "1") is None
    pool.pool.begin(pool._died)
    worker = pool.pool.start("media", "0")
    assert worker.pid == living.pid
    living.kill()
    await living.wait()
    await until(lambda: worker.pid not in (None, living.pid))
    assert [name for name, _, _ in pool.deaths] == ["0"]
    await pool.pool.stop_all()


async def test_the_end_ends_workers_that_were_taken_over(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    living = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEP)
    pool.pool = ProcessPool(pool.run)
    pool.pool.adopt("egress", "0", living.pid)
    pool.pool.begin(pool._died)
    await pool.pool.stop_all()
    assert await asyncio.wait_for(living.wait(), 30) == -15
