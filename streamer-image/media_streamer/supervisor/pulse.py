"""Figures of streams and of the server for the history (`pulsedb`), each five seconds.

Role: takes the samples from what the supervisor knows, hands whole minutes to the writer's thread,
and answers for graphs what is stored and what is not yet. A stream that idles on demand has no
samples, nor has one with `pulse_off`.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from media_streamer.pulse import store
from media_streamer.pulse.points import SHAPES, Kind, Points, Row, rolled_up
from media_streamer.pulse.span import Span
from media_streamer.pulse.store import Key
from media_streamer.pulse.writer import Writer
from media_streamer.rounds import next_round
from media_streamer.supervisor.catalog import Catalog, Stream
from media_streamer.supervisor.sessions import SessionRegistry

JsonObject = dict[str, Any]

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 5
READ_SECONDS = 10.0


class HistoryUnavailable(Exception):  # noqa: N818 - what the API says
    """There is no history, or it cannot be read; the text says why."""


class Pulse:
    """`figures`: those of `/config/stats`."""

    def __init__(
        self, catalog: Catalog, sessions: SessionRegistry, figures: Callable[[], JsonObject]
    ) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._figures = figures
        self._writer: Writer | None = None
        self._directory = ""
        self._minute = 0
        self._samples: dict[Key, Points] = {}
        self._counters: dict[str, tuple[int, int, int]] = {}
        """Of a stream: bytes in, bytes out, errors at the last sample."""

    def use(self, directory: str | None) -> None:
        """Keep the history there from now on; None: keep none."""
        if (directory or "") == self._directory:
            return
        self._end()
        self._directory = directory or ""
        if directory:
            self._writer = Writer(Path(directory))
            log.info("pulsedb: statistics are kept in %s", self._writer.path)

    @property
    def is_kept(self) -> bool:
        return self._writer is not None

    def alerts(self) -> dict[str, str]:
        problem = self._writer.problem if self._writer is not None else ""
        return {"pulsedb": problem} if problem else {}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await next_round(SAMPLE_SECONDS)
            if self._writer is not None:
                try:
                    self.sample(time.time())
                except Exception:
                    log.exception("pulsedb: a sample is lost; it goes on")

    async def close(self) -> None:
        """Store what there is, within a bound."""
        writer = self._end()
        if writer is not None:
            await asyncio.to_thread(writer.join)

    def _end(self) -> Writer | None:
        self._flush()
        writer, self._writer = self._writer, None
        self._counters.clear()
        if writer is not None:
            writer.end()
        return writer

    def sample(self, unix: float) -> None:
        """The figures of now."""
        at = int(unix) - int(unix) % SAMPLE_SECONDS
        minute = at - at % 60
        if minute != self._minute:
            self._flush()
            self._minute = minute
        figures = self._figures()
        self._keep(("server", ""), at, SHAPES["server"].row(_server(figures)))
        gone = self._counters.keys() - self._catalog.streams.keys()
        for name in gone:
            del self._counters[name]
        for stream in self._catalog.streams.values():
            if (row := self._stream(stream)) is not None:
                self._keep(("stream", stream.name), at, row)

    def _keep(self, key: Key, at: int, row: Row) -> None:
        self._samples.setdefault(key, {})[at] = row

    def _flush(self) -> None:
        samples, self._samples = self._samples, {}
        if samples and self._writer is not None:
            self._writer.put(self._minute, samples)

    def _stream(self, stream: Stream) -> Row | None:
        config, stats, name = stream.config, stream.stats, stream.name
        if config.disabled or config.pulse_off:
            self._counters.pop(name, None)
            return None
        clients = len(self._sessions.of_stream(name))
        alive = bool(stats.get("alive"))
        now = (
            int(stats.get("bytes_in") or 0),
            self._sessions.totals(name).bytes,
            int((stats.get("input") or {}).get("errors") or 0),
        )
        before = self._counters.get(name)
        self._counters[name] = now
        if not (alive or clients or config.static):
            return None
        # Of the first sample the amounts are not known; a counter that fell began anew.
        moved = [
            0 if before is None else new - before[index] if new >= before[index] else new
            for index, new in enumerate(now)
        ]
        bitrate = int(stats.get("bitrate") or 0) if alive else 0
        figures = {
            "bitrate": bitrate,
            "bitrate_max": bitrate,
            "clients": clients,
            "clients_max": clients,
            "alive": int(alive),
            "bytes_in": moved[0],
            "bytes_out": moved[1],
            "errors": moved[2],
        }
        return SHAPES["stream"].row(figures)

    async def points(self, kind: Kind, name: str, span: Span) -> list[JsonObject]:
        """Figures of each step that has any, the oldest first; `at` in Unix ms.

        Raises HistoryUnavailable.
        """
        writer, key = self._writer, (kind, name)
        if writer is None:
            raise HistoryUnavailable("no statistics are kept: name a directory by pulsedb")
        newest = writer.waiting(key) | self._samples.get(key, {})
        try:
            async with asyncio.timeout(READ_SECONDS):
                found = await asyncio.to_thread(_read, writer.path, key, span, newest)
        except TimeoutError:
            raise HistoryUnavailable("the disk of pulsedb does not answer") from None
        except (sqlite3.Error, OSError) as error:
            raise HistoryUnavailable(f"pulsedb cannot be read: {error}") from None
        shape = SHAPES[kind]
        return [{"at": at * 1000, **shape.figures(row)} for at, row in sorted(found.items())]

    async def knows(self, name: str) -> bool:
        """Whether a stream has a history, though it may be gone."""
        writer = self._writer
        if writer is None or ("stream", name) in self._samples:
            return writer is not None
        try:
            return await asyncio.to_thread(store.known, writer.path, ("stream", name))
        except sqlite3.Error:
            return False


def _read(path: Path, key: Key, span: Span, newest: Points) -> Points:
    if path.exists():
        return store.read(path, key, span, newest)
    return rolled_up(SHAPES[key[0]], newest, span.step)  # the first minute has not passed


def _server(figures: JsonObject) -> dict[str, int]:
    names = {
        "cpu": "cpu_usage", "cpu_max": "cpu_usage", "memory": "memory_usage",
        "scheduler_load": "scheduler_load", "streams": "total_streams",
        "online_streams": "online_streams", "clients": "total_clients",
        "clients_max": "total_clients", "input_kbit": "input_kbit", "output_kbit": "output_kbit",
    }  # fmt: skip
    return {name: int(figures.get(source) or 0) for name, source in names.items()}
