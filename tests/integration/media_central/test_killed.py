"""Central is killed while it writes: what it acknowledged is kept, and the next one goes on."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from media_rest.credentials import basic_header

from tests.support.forked import ForkServer
from tests.support.process import Process
from tests.support.streamer import until

KILLS = 5
WRITERS = 6
ACKNOWLEDGED = 10
"""So many writes before the next kill."""
STREAM = {"inputs": [{"url": "fake://fake"}]}


@pytest.fixture(scope="module")
def programs() -> Iterator[ForkServer]:
    server = ForkServer("media_central.cli")
    yield server
    server.close()


async def test_what_was_acknowledged_is_kept_however_central_dies(
    programs: ForkServer, database_url: str, free_port, tmp_path: Path
) -> None:
    """SIGKILL while writes are under way; real PostgreSQL, which lives on."""
    port = free_port()
    base = f"http://127.0.0.1:{port}/streamer/api/v3"
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATABASE_URL": database_url,
        "API_KEY": "key",
        "EDIT_AUTH": "admin secret",
        "HTTP_ADDRESS": "127.0.0.1",
        "HTTP_PORT": str(port),
    }
    answers: dict[str, int | None] = {}
    """Status of the write of a name; None where the answer was lost."""
    done = asyncio.Event()
    headers = {"Authorization": basic_header("admin", "secret")}
    async with aiohttp.ClientSession(headers=headers) as http:

        async def write(writer: int) -> None:
            number = 0
            while not done.is_set():
                name, number = f"w{writer}-{number}", number + 1
                try:
                    async with http.put(f"{base}/streams/{name}", json=STREAM) as answer:
                        answers[name] = answer.status
                except aiohttp.ClientError:
                    answers[name] = None
                    await asyncio.sleep(0.02)

        async def listed() -> set[str] | None:
            try:
                async with http.get(f"{base}/streams?limit=100000&select=name") as answer:
                    assert answer.status == 200, await answer.text()
                    return {item["name"] for item in (await answer.json())["streams"]}
            except aiohttp.ClientConnectionError:
                return None

        writers = [asyncio.create_task(write(writer)) for writer in range(WRITERS)]
        central: Process | None = None
        try:
            for kill in range(KILLS + 1):
                before = _kept(answers)
                central = programs.start("media_central.cli", log=tmp_path / "log", env=environ)
                await until(
                    lambda least=before + ACKNOWLEDGED: _is(_kept(answers) >= least),
                    "Central writes",
                )
                if kill == KILLS:
                    break
                await asyncio.sleep(0.003 * kill)  # another moment of a write each time
                central.send_signal(signal.SIGKILL)
                await central.wait()
            done.set()
            await asyncio.gather(*writers)
            there = await listed()
        finally:
            done.set()
            for task in writers:
                task.cancel()
            if central is not None and central.returncode is None:
                central.kill()
                await central.wait()
    assert there is not None
    acknowledged = {name for name, status in answers.items() if status == 200}
    assert not acknowledged - there, "kept"
    assert None in answers.values(), "writes were under way when it was killed"
    assert set(answers.values()) == {200, None}
    assert "Traceback" not in (tmp_path / "log").read_text()


def _kept(answers: dict[str, int | None]) -> int:
    """How many writes were acknowledged."""
    return sum(status == 200 for status in answers.values())


async def _is(value: bool) -> bool:
    return value
