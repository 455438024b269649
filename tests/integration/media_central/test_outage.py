"""PostgreSQL goes away and comes back: reads and the backend go on, what was written is kept."""

import asyncio
import contextlib
import os
import signal

import pytest
from media_central.embedded import EmbeddedPostgres

from tests.support import proc

KILLS = 5
FAKE = {"inputs": [{"url": "fake://fake"}]}


@pytest.fixture
async def own_postgres(tmp_path):
    server = EmbeddedPostgres(tmp_path / "pg", options=["fsync=off"], restart_pause=4)
    await server.start()
    yield server
    await server.stop()


async def test_central_serves_without_postgresql_and_recovers(
    own_postgres, start_central, start_streamer, eventually, caplog
):
    caplog.set_level("INFO", "media_central")
    central = await start_central(database_url=own_postgres.url)
    streamer = await start_streamer("s1")
    await central.api(
        "PUT", "/streamers/s1", {"api_url": streamer.url, "cluster_key": streamer.cluster_key}
    )
    await central.api("PUT", "/streams/a", FAKE)
    await eventually(lambda: streamer.running == {"a"})

    os.kill(own_postgres.pid, signal.SIGINT)
    await eventually(lambda: not any(own_postgres.socket_directory.iterdir()))
    status, error = await central.api("PUT", "/streams/b", FAKE)
    assert (status, error["error"]) == (503, "store_unavailable")
    assert "nothing was changed" in error["errors"][0]["title"]
    assert (await central.api("DELETE", "/streams/a"))[0] == 503
    status, listed = await central.api("GET", "/streams")
    assert (status, [item["name"] for item in listed["streams"]]) == (200, ["a"])
    status, told = await central.api("GET", "/streamers/s1/streams")
    assert (status, [item["name"] for item in told["streams"]]) == (200, ["a"])
    assert (await central.api("GET", "/streams/a/layouts"))[0] == 503

    async def seen():
        _, probe = await central.api("GET", "/monitoring/readiness")
        return probe["database"] == "unavailable"

    await eventually(seen)
    assert streamer.running == {"a"}

    # It starts again by itself after its pause.
    async def written():
        return (await central.api("PUT", "/streams/b", FAKE))[0] == 200

    await eventually(written)
    await eventually(lambda: streamer.running == {"a", "b"})
    await eventually(lambda: "PostgreSQL is back: " in caplog.text)
    assert caplog.text.count("PostgreSQL is away") == 1


async def test_what_was_acknowledged_is_kept_however_postgresql_dies(
    tmp_path, start_central, eventually
):
    """Killed with all its processes again and again, while writes are under way."""
    server = EmbeddedPostgres(tmp_path / "pg", options=["fsync=off"], restart_pause=0.1)
    await server.start()
    try:
        central = await start_central(database_url=server.url)
        answers: dict[str, tuple[int, str]] = {}
        done = asyncio.Event()

        async def write(writer: int) -> None:
            number = 0
            while not done.is_set():
                name, number = f"w{writer}-{number}", number + 1
                status, answer = await central.api("PUT", f"/streams/{name}", FAKE)
                answers[name] = status, str(answer)
                if status != 200:
                    await asyncio.sleep(0.05)

        before = 0

        async def is_up() -> bool:
            return kept(answers) >= before + 20

        writers = [asyncio.create_task(write(writer)) for writer in range(6)]
        for kill in range(KILLS):
            await eventually(is_up)
            await asyncio.sleep(0.01 * kill)  # another moment of a write each time
            for pid in [server.pid, *proc.children(server.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            before = kept(answers)
        await eventually(is_up)
        done.set()
        await asyncio.gather(*writers)
        other = await start_central(database_url=server.url, data_dir=tmp_path / "other")
        _, listed = await other.api("GET", "/streams?limit=100000&select=name")
        there = {item["name"] for item in listed["streams"]}
        lost = {name for name, (status, _) in answers.items() if status == 200} - there
        assert not lost
        untrue = [
            (name, text)
            for name, (status, text) in answers.items()
            if status != 200 and "nothing was changed" in text and name in there
        ]
        assert not untrue
        assert {status for status, _ in answers.values()} <= {200, 503}
    finally:
        await server.stop()


def kept(answers: dict[str, tuple[int, str]]) -> int:
    """How many writes were acknowledged."""
    return sum(status == 200 for status, _ in answers.values())
