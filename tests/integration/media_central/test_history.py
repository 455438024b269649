from datetime import UTC, date, datetime, timedelta

import pytest
from media_central.history import store as history_store
from media_central.history.partitions import maintain, partition_name
from media_central.history.store import COLUMNS, History


@pytest.fixture
async def history(database):
    return History(database, retention_days=7)


async def test_events_and_layouts_are_read_back_newest_first(history):
    for number in range(3):
        history.add_event("a", "s1", f"e{number}", {"url": "rtsp://u:hidden@h/1"})
        history.add_layout("a", {"ingest": f"s{number}", "ingest_history": [1]})
    history.add_event("b", "s1", "other")
    events = await history.events("a")
    assert [item["event"] for item in events] == ["e2", "e1", "e0"]
    assert "hidden" not in str(events)
    assert await history.layouts("a") == [{"ingest": f"s{number}"} for number in (2, 1, 0)]
    bound = events[1]["utc_ms"] + 1000
    assert await history.events("a", since_ms=bound) == []
    assert len(await history.events("a", until_ms=bound)) == 3


async def test_rows_go_to_the_partition_of_their_day_and_old_days_are_dropped(history, database):
    today = datetime.now(UTC).date()
    async with database.acquire() as connection:
        await maintain(connection, tuple(COLUMNS), today, today - timedelta(days=7))
    history.add_event("a", "s1", "now")
    await history.flush()
    async with database.acquire() as connection:
        name = partition_name("stream_event", today)
        assert await connection.fetchval(f"SELECT count(*) FROM {name}") == 1
        assert await connection.fetchval("SELECT count(*) FROM stream_event_default") == 0
        later = today + timedelta(days=9)
        await maintain(connection, tuple(COLUMNS), later, later - timedelta(days=7))
        assert await connection.fetchval(f"SELECT to_regclass('{name}')") is None
        assert await connection.fetchval("SELECT count(*) FROM stream_event") == 0


async def test_rows_of_a_day_without_a_partition_are_kept_and_moved(history, database):
    history.add_event("a", "s1", "early")
    await history.flush()
    today = datetime.now(UTC).date()
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM stream_event_default") == 1
        await maintain(connection, tuple(COLUMNS), today, today - timedelta(days=1))
        assert await connection.fetchval("SELECT count(*) FROM stream_event_default") == 0
    assert [item["event"] for item in await history.events("a")] == ["early"]


async def test_maintenance_repeats_without_change(database):
    day = date(2026, 11, 21)
    async with database.acquire() as connection:
        for _ in range(2):
            await maintain(connection, tuple(COLUMNS), day, day)
        tables = await connection.fetchval(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'session'::regclass"
        )
    assert tables == 5, "today, three days ahead, and the default"


async def test_the_queue_drops_the_oldest_and_counts(history, monkeypatch):
    monkeypatch.setattr(history_store, "MAX_QUEUED_ROWS", 10)
    for number in range(25):
        history.add_event("a", "s1", f"e{number}")
    assert history.dropped_rows == 15
    events = await history.events("a")
    assert [item["event"] for item in events] == [f"e{number}" for number in range(24, 14, -1)]


async def test_a_row_that_postgresql_refuses_does_not_block_the_others(history, database):
    now = datetime.now(UTC)
    for number in range(20):
        history.add_event("a", "s1", f"e{number}")
    history.add("stream_event", (now, None, None, None, {}))
    history.add("stream_event", (now, "a", "s1", "\0", {}))
    history.add("stream_event", (now, "a", "s1", "\ud800", {}))
    history.add("stream_event", ("not a time", "a", "s1", "e", {}))
    history.add("stream_event", (now, "a", "s1", "e", {"text": "\0"}))
    history.add_event("a", "s1", "last")
    assert len(await history.events("a")) == 21
    assert history.dropped_rows == 5


async def test_every_table_takes_a_row(history, database):
    now = datetime.now(UTC)
    history.add("session", (now, "1", "s1", "a", "play", "hls", "::1", now, now, 2**40, None, None))
    history.add("stream_sample", (now, "a", "s1", "running", 1, 0.5, 1, 2, 3))
    await history.flush()
    assert history.dropped_rows == 0
