import asyncio
import tempfile
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

import pytest
from media_central.db import Database, DatabaseUnavailable
from media_central.history import store as history_store
from media_central.history.graph import points, span_of
from media_central.history.partitions import maintain, partition_name
from media_central.history.rollup import roll_up
from media_central.history.search import EVENTS, LAYOUTS, search
from media_central.history.store import History
from media_central.history.tables import COLUMNS, PARTITIONED, Retention
from media_rest.query import QueryError

RETENTION = Retention(rows=7, rollups=400)


@pytest.fixture
async def history(database):
    return History(database, RETENTION)


def kept_from(day):
    return dict.fromkeys(PARTITIONED, day)


async def events_of(history, media, **parameters):
    query = [(key, str(value)) for key, value in parameters.items()]
    return (await search(history, EVENTS, query, "events", {"media": media}))["events"]


async def test_events_and_layouts_are_read_back_newest_first(history):
    for number in range(3):
        history.add_event("a", "s1", f"e{number}", {"url": "rtsp://u:hidden@h/1"})
        history.add_layout("a", {"ingest": f"s{number}", "ingest_history": [1]})
    history.add_event("b", "s1", "other")
    events = await events_of(history, "a")
    assert [item["event"] for item in events] == ["e2", "e1", "e0"]
    assert "hidden" not in str(events)
    layouts = (await search(history, LAYOUTS, [], "layouts", {"name": "a"}))["layouts"]
    assert [item["ingest"] for item in layouts] == ["s2", "s1", "s0"]
    bound = events[1]["utc_ms"] + 1000
    assert await events_of(history, "a", utc_ms_gt=bound) == []
    assert len(await events_of(history, "a", utc_ms_lt=bound)) == 3


async def test_rows_go_to_the_partition_of_their_day_and_old_days_are_dropped(history, database):
    today = datetime.now(UTC).date()
    async with database.acquire() as connection:
        await maintain(connection, kept_from(today - timedelta(days=7)), today)
    history.add_event("a", "s1", "now")
    await history.flush()
    async with database.acquire() as connection:
        name = partition_name("event", today)
        assert await connection.fetchval(f"SELECT count(*) FROM {name}") == 1
        assert await connection.fetchval("SELECT count(*) FROM event_default") == 0
        later = today + timedelta(days=9)
        await maintain(connection, kept_from(later - timedelta(days=7)), later)
        assert await connection.fetchval(f"SELECT to_regclass('{name}')") is None
        assert await connection.fetchval("SELECT count(*) FROM event") == 0


async def test_rows_of_a_day_without_a_partition_are_kept_and_moved(history, database):
    history.add_event("a", "s1", "early")
    await history.flush()
    today = datetime.now(UTC).date()
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM event_default") == 1
        await maintain(connection, kept_from(today - timedelta(days=1)), today)
        assert await connection.fetchval("SELECT count(*) FROM event_default") == 0
    assert [item["event"] for item in await events_of(history, "a")] == ["early"]


async def test_rows_are_written_while_the_partition_of_their_day_is_made(history, database):
    today = datetime.now(UTC).date()
    waits = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'audit_default'::regclass AND NOT granted"
    )
    who = dict.fromkeys(("originator", "role", "ip", "method", "path", "entity_type"), "x")
    history.add_audit(before=None, after={}, entity_id="a", **who)
    async with database.acquire() as connection:
        async with connection.transaction():
            await maintain(connection, kept_from(today), today)
            flushing = asyncio.create_task(history.flush())
            while not await connection.fetchval(waits):
                assert not flushing.done(), "it did not come to the lock"
        async with asyncio.timeout(60):
            await flushing
        rows = await connection.fetchval(f"SELECT count(*) FROM {partition_name('audit', today)}")
    assert (rows, history.queued_rows, history.dropped_rows) == (1, 0, 0)


async def test_maintenance_repeats_without_change(database):
    day = date(2026, 11, 21)
    async with database.acquire() as connection:
        for _ in range(2):
            await maintain(connection, kept_from(day), day)
        tables = await connection.fetchval(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'session'::regclass"
        )
    assert tables == 5, "today, three days ahead, and the default"


async def test_the_queue_drops_the_oldest_and_counts(history, monkeypatch):
    monkeypatch.setattr(history_store, "MAX_QUEUED_ROWS", 10)
    for number in range(25):
        history.add_event("a", "s1", f"e{number}")
    assert history.dropped_rows == 15
    events = await events_of(history, "a")
    assert [item["event"] for item in events] == [f"e{number}" for number in range(24, 14, -1)]


async def test_a_row_that_postgresql_refuses_does_not_block_the_others(history, database):
    now = datetime.now(UTC)
    for number in range(20):
        history.add_event("a", "s1", f"e{number}")
    history.add("event", (now, None, None, None, None, {}))
    history.add("event", (now, None, "s1", "a", "\0", {}))
    history.add("event", (now, None, "s1", "a", "\ud800", {}))
    history.add("event", ("not a time", None, "s1", "a", "e", {}))
    history.add("event", (now, None, "s1", "a", "e", {"text": "\0"}))
    history.add_event("a", "s1", "last")
    assert len(await events_of(history, "a")) == 21
    assert history.dropped_rows == 5


async def test_every_table_takes_a_row(history, database):
    now = datetime.now(UTC)
    history.add("session", (now, "1", "s1", "a", "play", "hls", "::1", now, now, 2**40, None, None))
    history.add("stream_sample", (now, "a", "s1", "running", 1, 0.5, 1, 2, 3, 1.0))
    history.add("streamer_sample", (now, "s1", 1.0, 10.0, 20.0, 3.0, 4.0, 5, 6.0, 7.0))
    history.add_audit(
        originator="a", role="admin", ip="::1", method="PUT", path="/", entity_type="stream",
        entity_id="a", before=None, after={"name": "a"},
    )  # fmt: skip
    history.add_event(None, None, "e")
    history.add_layout("a", {})
    await history.flush()
    assert history.dropped_rows == 0
    async with database.acquire() as connection:
        for table in COLUMNS:
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 1, table


async def test_pages_meet_without_a_gap_though_times_are_equal(history):
    at = round(datetime.now(UTC).timestamp() * 1000)
    for number in range(95):
        event = {"event": f"e{number:02}", "event_id": number, "utc_ms": at, "media": "a"}
        history.add_delivered("s1", event)
    seen, cursor = [], ""
    while cursor is not None:
        page = await search(history, EVENTS, [("limit", "10"), ("cursor", cursor)], "events")
        seen += [item["event"] for item in page["events"]]
        cursor = page["next"]
        assert page["estimated_count"] == 95
    assert seen == [f"e{number:02}" for number in range(94, -1, -1)]


async def test_an_event_that_comes_again_is_written_once(history):
    at = round(datetime.now(UTC).timestamp() * 1000)
    for _ in range(3):
        for number in range(5):
            event = {"event": "e", "event_id": number, "utc_ms": at + number, "media": "a"}
            history.add_delivered("s1", event)
        await history.flush()
    history.add_delivered("s2", {"event": "e", "event_id": 1, "utc_ms": at + 1, "media": "a"})
    assert len(await events_of(history, "a")) == 6
    assert history.dropped_rows == 0


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"event": "play_opened"}, 1), ({"event": "play_opened,play_closed"}, 2),
        ({"event_like": "play_"}, 2), ({"event_ne": "play_opened"}, 2), ({"ip": "192.0.2.1"}, 1),
        ({"q": "192.0.2"}, 1), ({"q": "%"}, 0), ({"server": "s1"}, 3), ({"server": "s2"}, 0),
        ({"limit": 1, "select": "event"}, 1), ({"event": "x\ny"}, 0),
    ],
)  # fmt: skip
async def test_filters(history, parameters, found):
    history.add_event("a", "s1", "play_opened", {"ip": "192.0.2.1"})
    history.add_event("a", "s1", "play_closed")
    history.add_event("a", "s1", "source_lost")
    history.add_event("b", "s1", "play_opened")
    assert len(await events_of(history, "a", **parameters)) == found


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0}, {"limit": "x"}, {"limit": "٣"}, {"cursor": "x"}, {"cursor": "AAAA"},
        {"sort": "event"}, {"nothing": 1}, {"utc_ms_gt": "now"}, {"utc_ms_lt": "9" * 14},
        {"event": "\0"}, {"q": "\ud800"}, {"event": ",".join(map(str, range(2000)))},
    ],
)  # fmt: skip
async def test_bad_queries_are_refused(history, parameters):
    with pytest.raises(QueryError):
        await events_of(history, "a", **parameters)


async def fill(history, minutes, now, stream="a", streamer="s1", **figures):
    """A row of each minute that ended."""
    bitrate, clients = figures.get("bitrate", 1000), figures.get("clients", 2)
    for ago in range(1, minutes + 1):
        at = now - timedelta(minutes=ago)
        history.add(
            "stream_sample",
            (at, stream, streamer, "running", bitrate, float(clients), clients, 10, 20, 1.0),
        )
        loads = (1.0, 50.0, 10.0, 1.0, float(clients), clients, 5.0, 7.0)
        history.add("streamer_sample", (at, streamer, *loads))
    await history.flush()


async def graph(history, kind, name, length, now, many=300):
    return await points(
        history, kind, name, span_of(now - length, now, many, now - timedelta(days=7))
    )


async def test_minutes_hours_and_days_tell_the_same(history, database):
    now = datetime.now(UTC)
    minutes = 26 * 60
    await fill(history, minutes, now)
    async with database.acquire() as connection:
        assert await roll_up(connection, RETENTION, now) is True
        assert await roll_up(connection, RETENTION, now) is False, "once an hour"
    for length in (timedelta(hours=12), timedelta(days=2), timedelta(days=60)):
        found = await graph(history, "stream", "a", length, now)
        expected = min(minutes, length // timedelta(minutes=1))
        # The first step is whole.
        assert expected <= sum(item["bytes_in"] for item in found) / 10 <= expected + 61
        assert {item["bitrate"] for item in found} == {1000.0}
        assert {item["clients_max"] for item in found} == {2}
        assert {item["alive"] for item in found} == {1.0}
        servers = await graph(history, "streamer", "s1", length, now)
        assert {item["cpu"] for item in servers} == {50.0}


async def test_late_rows_are_counted_and_old_figures_stay_when_their_minutes_go(history, database):
    now = datetime.now(UTC).replace(minute=30)
    await fill(history, 3 * 60, now)
    async with database.acquire() as connection:
        await roll_up(connection, RETENTION, now)
        await fill(history, 3 * 60, now, stream="late")
        await roll_up(connection, RETENTION, now + timedelta(hours=1))
        hours = await connection.fetchval("SELECT count(*) FROM stream_hour WHERE stream = 'late'")
        assert hours >= 3
        await connection.execute("DELETE FROM stream_sample")
        await roll_up(connection, RETENTION, now + timedelta(days=30))
        kept = await connection.fetchval("SELECT count(*) FROM stream_hour WHERE stream = 'late'")
    assert kept == hours


async def test_the_cluster_is_the_sum_of_its_streamers(history):
    now = datetime.now(UTC)
    await fill(history, 5, now, streamer="s1")
    await fill(history, 5, now, streamer="s2")
    found = await graph(history, "cluster", "", timedelta(hours=1), now, 5)
    assert {(item["streams"], item["output_kbit"], item["clients_max"]) for item in found} == {
        (2.0, 14.0, 4)
    }


async def test_days_that_are_too_old_are_dropped(history, database):
    now = datetime.now(UTC)
    async with database.acquire() as connection:
        for table in ("streamer_day", "streamer_hour"):
            await connection.execute(
                f"INSERT INTO {table} VALUES ($1, 's', 1, 1, 1, 1, 1, 1, 1, 1, 1)",
                now - timedelta(days=100),
            )
        await roll_up(connection, RETENTION, now)
        assert await connection.fetchval("SELECT count(*) FROM streamer_day") == 1
        assert await connection.fetchval("SELECT count(*) FROM streamer_hour") == 0


@pytest.mark.parametrize("after_ms", range(0, 200, 20))
async def test_it_ends_in_the_midst_of_its_statements(database, after_ms):
    """The error of a connection that is broken off must not take the place of the cancellation."""
    history = History(database, RETENTION)
    await history.start()
    await asyncio.sleep(after_ms / 1000)  # wherever that is: partitions are being made
    await asyncio.wait_for(history.close(), 15)


class LosesAnswers:
    """Between Central and PostgreSQL: commits reach the server, which does them, and the
    connection ends in place of the answers to those of the numbers in `lost`."""

    def __init__(self, server):
        self.server = server
        self.lost = frozenset()
        self.commits = 0
        self.at_fault = []

    async def __call__(self, reader, writer):
        upstream, server = await asyncio.open_unix_connection(self.server)
        committing = asyncio.Event()

        async def ask():
            while data := await reader.read(2**16):
                if b"COMMIT;" in data:
                    self.commits += 1
                    if self.commits in self.lost:
                        committing.set()
                server.write(data)
                await server.drain()

        async def answer():
            while data := await upstream.read(2**16):
                if committing.is_set():
                    if b"COMMIT" in data:  # CommandComplete
                        self.at_fault.append(data)
                        return
                    continue
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.create_task(ask()), asyncio.create_task(answer())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
        writer.close()


@pytest.fixture
async def losing(database_url, postgres):
    """The proxy, and a database that is reached by it."""
    with tempfile.TemporaryDirectory() as folder:
        proxy = LosesAnswers(str(postgres.socket_directory / ".s.PGSQL.5432"))
        serving = await asyncio.start_unix_server(proxy, f"{folder}/.s.PGSQL.5432")
        url = database_url.partition("?")[0] + f"?host={quote(folder, safe='')}"
        database = await Database.open(url, max_connections=5, retries=0)
        yield proxy, database
        await database.close()
        serving.close()


async def test_rows_whose_answer_is_lost_after_the_commit_are_written_once(losing, database):
    proxy, through = losing
    history = History(through, RETENTION)
    now = datetime.now(UTC)
    for number in range(12_000):
        history.add("stream_sample", (now, f"s{number}", "s1", "running", 1, 0.5, 1, 2, 3, 1.0))
        if number % 100 == 0:
            history.add_event("a", "s1", f"e{number}")  # without a number of its streamer
    proxy.commits = 0  # opening a database makes some
    # Events, then each batch of samples: those between are the second attempts.
    proxy.lost = {1, 3, 5, 7}
    failures = 0
    while history.queued_rows:
        try:
            await history.flush()
        except DatabaseUnavailable:
            failures += 1
            late = f"late{failures}"  # joins no batch that may be written already
            history.add("stream_sample", (now, late, "s1", "running", 1, 0.5, 1, 2, 3, 1.0))
    assert failures == len(proxy.at_fault) == 4
    assert history.dropped_rows == 0
    async with database.acquire() as connection:
        for table, key, expected in (("stream_sample", "stream", 12_004), ("event", "event", 120)):
            found = await connection.fetchrow(
                f"SELECT count(*), count(DISTINCT {key}) FROM {table}"
            )
            assert tuple(found) == (expected, expected), table


async def test_a_writer_that_is_cancelled_within_a_statement_writes_once(history, database):
    now = datetime.now(UTC)
    for after in range(20):
        for number in range(500):
            name = f"s{after}-{number}"
            history.add("stream_sample", (now, name, "s1", "running", 1, 0.5, 1, 2, 3, 1.0))
        flushing = asyncio.create_task(history.flush())
        for _ in range(after):  # turns of the loop: within another statement each time
            await asyncio.sleep(0)
        await asyncio.sleep(after / 2000)
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
    await history.flush()
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM stream_sample") == 10_000


async def test_a_central_that_was_cut_off_writes_nothing_twice_however_much_others_write(
    losing, history, database
):
    proxy, through = losing
    cut_off = History(through, RETENTION)
    cut_off.add_event("a", "s1", "e")
    proxy.commits, proxy.lost = 0, {1}
    with pytest.raises(DatabaseUnavailable):
        await cut_off.flush()
    today = datetime.now(UTC).date()

    async def days_later(days):
        """Another Central wrote meanwhile, and looked after the tables."""
        history.add_event("a", "s1", "other")
        async with database.acquire() as connection:
            shift = "UPDATE history_writer SET at = at - make_interval(days => $1)"
            await connection.execute(shift, days)
            await history.flush()
            oldest = {table: history.oldest_day(table, today) for table in PARTITIONED}
            await history_store.forget_writers(connection, oldest)
            return await connection.fetchval("SELECT count(*) FROM history_writer")

    async def written():
        async with database.acquire() as connection:
            rows = await connection.fetch("SELECT event, count(*) FROM event GROUP BY 1")
            return dict(rows)

    assert await days_later(RETENTION.rows - 1) == 2
    await cut_off.flush()
    assert await written() == {"e": 1, "other": 1}
    cut_off.add_event("a", "s1", "e")  # its numbers go on above
    await cut_off.flush()
    assert await written() == {"e": 2, "other": 1}
    assert await days_later(RETENTION.rows + 1) == 1, "what is older than all that is kept"
