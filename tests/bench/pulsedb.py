"""History of 1,000 streams (`pulsedb`): CPU time, growth of the file, time of a graph."""

import random
import tempfile
import time
from pathlib import Path

from media_api.server import ServerConfig
from media_streamer.pulse.points import LEVELS, SHAPES, Points
from media_streamer.pulse.span import span_of
from media_streamer.pulse.store import FILE, Key, Store, read
from media_streamer.supervisor.catalog import Catalog
from media_streamer.supervisor.pulse import Pulse
from media_streamer.supervisor.sessions import SessionRegistry

from tests.bench.figure import Figure
from tests.unit.media_streamer.supervisor.test_pulse import Deaf

STREAMS = 1000
BEGIN = 1_699_920_000
DAY = 86_400
MONTH = 30


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        sampling = _sampling()
        storing, day_bytes, rolled = _storing(Path(folder) / FILE)
        graph = _graph(Path(folder) / "graph" / FILE)
    core = 100 * (sampling / 5 + storing / 60 + rolled / 3600)
    return [
        Figure("pulsedb, 1,000 streams, CPU", core, "% of a core", goal="< 1"),
        Figure("pulsedb, 1,000 streams, growth", day_bytes * MONTH / 1e9, "GB a month", goal="< 2"),
        Figure("graph of 30 days, p95", graph * 1000, "ms", goal="< 100 ms"),
    ]


def _sampling() -> float:
    """Seconds of CPU a sample."""
    catalog, names = Catalog(), [f"stream{n}" for n in range(STREAMS)]
    catalog.set_config(ServerConfig.model_validate({"streams": [{"name": n} for n in names]}))
    pulse = Pulse(catalog, SessionRegistry(Deaf()), dict)
    for stream in catalog.streams.values():
        stream.stats = {"alive": True, "bytes_in": 1, "bitrate": 2000, "input": {"errors": 0}}
    began = time.process_time()
    for step in range(10):
        pulse.sample(BEGIN + 5 * step)
    return (time.process_time() - began) / 10


def _row(rng: random.Random, samples: int = 1) -> tuple[int, ...]:
    bitrate, clients = rng.gauss(2000, 60), rng.randint(20, 40)
    return (
        samples, int(bitrate * samples), clients * samples, samples, int(bitrate + 90), clients,
        int(bitrate * 625 * samples), int(bitrate * 625 * clients * samples), 0,
    )  # fmt: skip


def _storing(path: Path) -> tuple[float, float, float]:
    """Seconds of CPU a minute, bytes that stay of a day, seconds of CPU to roll up an hour."""
    rng, store = random.Random(1), Store(path)
    keys: list[Key] = [("stream", f"stream{n}") for n in range(STREAMS)]
    minutes = [
        {key: {minute + 5 * n: _row(rng) for n in range(12)} for key in keys}
        for minute in range(BEGIN, BEGIN + 3600, 60)
    ]
    began = time.process_time()
    for number, samples in enumerate(minutes):
        store.add(BEGIN + 60 * number, samples)
        store.maintain(BEGIN + 60 * number)
    storing = (time.process_time() - began) / 60
    began = time.process_time()
    store.maintain(BEGIN + 3600)
    rolled = time.process_time() - began
    size = store._db.execute("SELECT sum(length(data) + 24) FROM block WHERE level=1").fetchone()
    store.close()
    return storing, float(size[0]) * 24, rolled


def _graph(path: Path) -> float:
    """Seconds that 95 of 100 graphs take."""
    rng, store, key = random.Random(2), Store(path), ("stream", "a")
    for minute in range(BEGIN - 2 * 3600, BEGIN, 60):
        store.add(minute, {("stream", "a"): {minute + 5 * n: _row(rng) for n in range(12)}})
    for day in range(BEGIN - 31 * DAY, BEGIN, DAY):
        for hour in range(day, day + DAY, 3600):
            points: Points = {hour + 60 * n: _row(rng, 12) for n in range(60)}
            with store._transaction():
                store._put(LEVELS[1], 1, hour, points)
    store.maintain(BEGIN + 3600)
    span, times = span_of(BEGIN - 30 * DAY, BEGIN, 300, BEGIN), []
    for _ in range(100):
        began = time.perf_counter()
        found = read(path, key, span, {})  # type: ignore[arg-type]
        [SHAPES["stream"].figures(row) for row in found.values()]
        times.append(time.perf_counter() - began)
        assert len(found) > 200
    store.close()
    return sorted(times)[94]
