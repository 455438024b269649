"""PostgreSQL goes away and comes back: reads and the configuration backend go on."""

import os
import signal

import pytest
from media_central.embedded import EmbeddedPostgres

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
