"""A dump of a Central that runs, put into an empty database: all is there, and goes on."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from media_central.embedded import EmbeddedPostgres, find_binaries
from media_central.history.search import EVENTS, search

FAKE = {"inputs": [{"url": "fake://fake"}]}
LIMIT_SECONDS = 60


async def run(*command: str) -> None:
    """A tool of PostgreSQL, as docs/production.md says it."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    assert process.returncode == 0, said.decode()


async def events(central) -> list[str]:
    history = central.central.context.history
    await history.flush()
    found = await search(history, EVENTS, [], "events", {"media": "sport/one"})
    return [event["event"] for event in found["events"]]


async def test_a_dump_is_restored_and_goes_on(
    central, start_central, postgres: EmbeddedPostgres, database_url: str, tmp_path: Path
):
    tools = find_binaries(tmp_path).directory
    if not (tools / "pg_dump").exists():
        pytest.skip(f"no pg_dump beside the server in {tools}")
    await central.api("PUT", "/streams/sport%2Fone", FAKE)
    _, token = await central.api("PUT", "/api_tokens/scripts", {"role": "viewer"})
    central.central.context.history.add_event("sport/one", "s1", "before")
    assert await events(central) == ["before"]
    dump = str(tmp_path / "central.dump")
    await run(str(tools / "pg_dump"), "--format=custom", f"--file={dump}", database_url)

    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute("CREATE DATABASE restored")
        url = postgres.url.replace("/central?", "/restored?")
        await run(
            str(tools / "pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={url}", dump
        )
        second = await start_central(database_url=url)
        status, stream = await second.api("GET", "/streams/sport%2Fone")
        assert (status, stream["inputs"]) == (200, FAKE["inputs"])
        assert await events(second) == ["before"]
        reader = {"Authorization": f"Bearer {token['key']}"}
        assert (await second.api("GET", "/streams", headers=reader))[0] == 200
        second.central.context.history.add_event("sport/one", "s1", "after")
        assert await events(second) == ["after", "before"]
        assert (await second.api("PUT", "/streams/two", FAKE))[0] == 200
        assert (await central.api("GET", "/streams/two"))[0] == 404
    finally:
        await connection.close()
