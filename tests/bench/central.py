"""Central with 10,000 streams on ten streamers that are polled: changes, lists, backend, history.

Central is a process of its own on a PostgreSQL of its own; the streamers are answers in memory that
are alive, so that it polls, places and records meanwhile, as it does in earnest. The client and the
made-up streamers share the machine with it.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp import web
from media_central.db import Database, DatabaseUnavailable, packaged_migrations
from media_central.embedded import EmbeddedPostgres
from media_central.history.collector import Collector
from media_central.history.store import History
from media_central.history.tables import Retention
from media_central.streamers.link import Observation

from tests.bench._central import START_SECONDS, Call, central
from tests.bench.figure import Figure
from tests.support import proc

STREAMS = 10_000
STREAMERS = 10
EACH = STREAMS // STREAMERS
CALLS = 150
POLL_SECONDS = 5.0
"""Of Central, unless set otherwise."""
REST_SECONDS = 20.0
GRAPH_STREAMS = 1000
GRAPH_DAYS = 32


def run() -> list[Figure]:
    """Milliseconds of calls one after the other, and shares of a core."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        async with EmbeddedPostgres(directory / "postgres") as postgres:
            database = await Database.open(postgres.url, max_connections=4)
            await database.migrate(packaged_migrations())
            connection = await asyncpg.connect(postgres.url)
            try:
                figures = await _history(database, connection, postgres)
                await connection.execute("TRUNCATE stream_sample, streamer_sample, event")
            finally:
                await database.close()
            try:
                async with _streamers() as ports:
                    await _fill(connection, ports)
                    async with central(directory, postgres.url) as (call, pid):
                        await _until_polled(call)
                        figures += await _calls(call)
                        figures += await _at_rest(pid)
            finally:
                await connection.close()
    return figures


def _stats(number: int) -> dict[str, Any]:
    """Of a stream, as Central asks for them."""
    return {
        "alive": True, "status": "running", "bitrate": 4000 + number % 500, "online_clients": 3,
        "client_count": 3, "bytes_in": int(time.time() * 500_000), "bytes_out": number * 1000,
        "url": f"udp://239.0.0.1:{number % 60_000 + 1024}", "input_error_rate": 0,
        "source_id": f"id-{number}", "retry_count": 0, "running_transcoder": False,
    }  # fmt: skip


async def _history(
    database: Database, connection: asyncpg.Connection, postgres: EmbeddedPostgres
) -> list[Figure]:
    """CPU of a minute of history: what polls bring, rows, COPY, and what PostgreSQL does."""
    history = History(database, Retention(7, 400))
    await history.start()
    collector = Collector(None, history)  # type: ignore[arg-type]  # its clocks are ours
    for _ in range(2):  # the second one counts: partitions and plans are made in the first
        links = [_Link(host) for host in range(STREAMERS)]
        server = sum(map(proc.cpu_seconds, _processes(postgres)))
        observing = 0.0
        for _ in range(round(60 / POLL_SECONDS)):
            for link in links:
                link.poll()
                before = time.process_time()
                collector.observe(link)  # type: ignore[arg-type]
                observing += time.process_time() - before
        began = time.process_time()
        collector.write_samples()
        await _written(history)
        spent = observing + time.process_time() - began
        of_server = sum(map(proc.cpu_seconds, _processes(postgres))) - server
    await history.close()
    rows = await connection.fetchval("SELECT count(*) FROM stream_sample")
    assert rows == 2 * STREAMS, rows
    title = f"history of {STREAMS:,} streams a minute:"
    return [
        Figure(f"{title} Central", 100 * spent / 60, "% core", "< 10"),
        Figure(f"{title} PostgreSQL", 100 * of_server / 60, "% core"),
    ]


async def _written(history: History) -> None:
    """All rows that wait; the first ones until their partitions are made."""
    async with asyncio.timeout(START_SECONDS):
        while history.queued_rows:
            with contextlib.suppress(DatabaseUnavailable):
                await history.flush()
            await asyncio.sleep(0.01)


class _Link:
    """A streamer as the collector sees it."""

    online, error, delivers_events = True, None, True

    def __init__(self, host: int) -> None:
        self._host = host
        self.hostname = f"s{host}"
        self.observed: Observation | None = None

    def poll(self) -> None:
        names = range(self._host * EACH, (self._host + 1) * EACH)
        items = {f"channel-{number}": {"stats": _stats(number)} for number in names}
        self.observed = Observation({"cpu_usage": 30, "total_clients": 3000}, items)


def _processes(postgres: EmbeddedPostgres) -> list[int]:
    assert postgres.pid is not None
    return [postgres.pid, *proc.children(postgres.pid)]


@contextlib.asynccontextmanager
async def _streamers() -> AsyncIterator[list[int]]:
    """Their ports; each runs its share of the streams and takes what Central tells it."""
    async with contextlib.AsyncExitStack() as stack:
        ports = []
        for host in range(STREAMERS):
            app = web.Application()
            app.router.add_route("*", "/streamer/api/v3/{rest:.*}", _answers(host))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            ports.append(runner.addresses[0][1])
        yield ports


def _answers(host: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    config: dict[str, Any] = {"listeners": {"rtmp": [{"port": 1935}]}}
    items = [
        {"name": f"channel-{number}", "stats": _stats(number)}
        for number in range(host * EACH, (host + 1) * EACH)
    ]
    listed = json.dumps({"streams": items, "next": None}).encode()

    async def answer(request: web.Request) -> web.Response:
        path = request.match_info["rest"]
        if request.method == "PUT" and path == "config":
            config.update(await request.json())
            return web.json_response(config)
        if request.method != "GET":
            return web.Response(status=204)
        now = round(time.time() * 1000)
        found = {
            "config": config,
            "config/stats": {
                "hostname": f"s{host}", "streamer_status": "running", "now": now, "cpu_usage": 20,
            },
            "sessions": {"sessions": [], "next": None},
        }  # fmt: skip
        if path == "streams":
            return web.Response(body=listed, content_type="application/json")
        return web.json_response(found.get(path, {}))

    return answer


async def _fill(connection: asyncpg.Connection, ports: list[int]) -> None:
    """Streams that are placed, and hours of a month of some of them."""
    streamers = [
        (
            f"s{host}",
            {"hostname": f"s{host}", "api_url": f"http://127.0.0.1:{port}", "cluster_key": "k"},
            None,
        )
        for host, port in enumerate(ports)
    ]
    streams = [
        (f"channel-{number}", _config(number), {"ingest": f"s{number // EACH}", "created_at": 1})
        for number in range(STREAMS)
    ]
    for table, rows in (("streamers", streamers), ("streams", streams)):
        texts = [(name, json.dumps(config), json.dumps(more)) for name, config, more in rows]
        await connection.executemany(
            f"INSERT INTO {table} (name, config, layout)"
            " VALUES ($1, $2::text::jsonb, nullif($3::text::jsonb, 'null'))",
            texts,
        )
    await connection.execute(
        "INSERT INTO stream_hour SELECT at, 'channel-' || n, 's0', 60, 4000 + n, 5000, 3, 9, 1e9,"
        " 1e9, 1 FROM generate_series(1, $1) n, generate_series(date_trunc('hour', now()) -"
        " make_interval(days => $2), date_trunc('hour', now()), '1 hour') at",
        GRAPH_STREAMS,
        GRAPH_DAYS,
    )
    await connection.execute("ANALYZE")


def _config(number: int) -> dict[str, Any]:
    return {
        "name": f"channel-{number}",
        "title": f"Channel {number}",
        "inputs": [{"url": f"udp://239.0.0.1:{number % 60_000 + 1024}"}, {"url": "fake://fake"}],
        "on_play": {"url": "http://auth.example/play"},
        "labels": {"group": str(number % 10)},
    }


async def _until_polled(call: Call) -> None:
    """Every streamer has answered once."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            found = json.loads(await call("GET", "/streamers"))["streamers"]
            if sum(bool(one.get("stats")) for one in found) == STREAMERS:
                return
            await asyncio.sleep(0.5)


async def _timed(call: Call, questions: list[tuple[str, str, dict[str, Any]]]) -> list[float]:
    """Milliseconds of each, the shortest first."""
    taken = []
    for method, path, options in questions:
        began = time.perf_counter()
        await call(method, path, **options)
        taken.append(1000 * (time.perf_counter() - began))
    return sorted(taken)


def _quantile(taken: list[float], share: float) -> float:
    return taken[min(len(taken) - 1, int(share * len(taken)))]


async def _calls(call: Call) -> list[Figure]:
    changes = [
        ("PUT", f"/streams/channel-{n * 31 % STREAMS}", {"json": {"title": f"Changed {n}"}})
        for n in range(CALLS)
    ]
    lists = [("GET", "/streams?limit=100", {}), ("GET", "/streams?limit=100&sort=-title", {})]
    lists += [("GET", f"/streams?limit=100&q=channel-{n}", {}) for n in range(3)]
    graph = f"from={round((time.time() - 30 * 86400) * 1000)}"
    graphs = [("GET", f"/history/streams/channel-{n + 1}?{graph}", {}) for n in range(CALLS)]
    backend = [("GET", f"/streamers/s{n % STREAMERS}/streams", {}) for n in range(CALLS)]
    figures = []
    for name, questions, share, goal in (
        ("PUT of a stream", changes, 0.99, "< 50"),
        ("list of 100", lists * (CALLS // len(lists)), 0.99, "< 100"),
        (f"configuration backend of {EACH:,} streams", backend, 0.99, "< 50"),
        ("graph of 30 days", graphs, 0.95, "< 100"),
    ):
        taken = await _timed(call, questions)
        title = f"{name}, of {STREAMS:,}" if "list" in name or "PUT" in name else name
        word = f"p{round(share * 100)}"
        note = f"median {_quantile(taken, 0.5):.1f}, longest {taken[-1]:.1f}"
        figures.append(Figure(f"{title}, {word}", _quantile(taken, share), "ms", goal, note))
    # A change between any two questions: nothing is answered from what was built before.
    mixed: list[float] = []
    for number in range(CALLS // 3):
        await call("PUT", f"/streams/channel-{number}", json={"title": f"Again {number}"})
        mixed += await _timed(call, [("GET", "/streamers/s0/streams", {})])
    mixed.sort()
    note = f"median {_quantile(mixed, 0.5):.1f}"
    title = f"configuration backend of {EACH:,}, one changed, p99"
    return [*figures, Figure(title, _quantile(mixed, 0.99), "ms", "< 50", note)]


async def _at_rest(pid: int) -> list[Figure]:
    """Central that polls, and is asked nothing."""
    await asyncio.sleep(POLL_SECONDS)
    before = proc.cpu_seconds(pid)
    await asyncio.sleep(REST_SECONDS)
    spent = proc.cpu_seconds(pid) - before
    return [
        Figure(f"Central polls {STREAMS:,} streams", 100 * spent / REST_SECONDS, "% core"),
        Figure("resident memory of Central", proc.resident_mib(pid), "MiB"),
    ]
