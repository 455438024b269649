"""From polls of streamers to history: transitions, one-minute samples, ended sessions."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from media_api.base import JsonObject

from media_central.history.store import History
from media_central.streamers.client import StreamerError
from media_central.streamers.fleet import Fleet
from media_central.streamers.link import StreamerLink

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 60.0
SESSIONS_SECONDS = 10.0
SERVER_FIGURES = (
    "cpu_usage", "memory_usage", "online_streams", "total_clients", "input_kbit", "output_kbit",
)  # fmt: skip
Told = Callable[..., None]
SESSION_FIELDS = "id,name,type,proto,ip,opened_at,bytes,country,user_agent"


@dataclass(slots=True)
class Sample:
    """What a stream did on a streamer within a minute."""

    status: str = "waiting"
    polls: int = 0
    alive: int = 0
    bitrate_sum: float = 0.0
    clients_sum: float = 0.0
    clients_max: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(slots=True)
class _Seen:
    status: str
    bytes_in: int
    bytes_out: int


@dataclass(slots=True)
class _Host:
    """What the last poll of a streamer said."""

    streams: dict[str, _Seen] = field(default_factory=dict)
    sessions: dict[str, JsonObject] = field(default_factory=dict)
    online: bool = False


@dataclass(slots=True)
class ServerSample:
    """What a streamer did within a minute. Means are over the polls that it answered."""

    polls: int = 0
    answered: int = 0
    clients_max: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SERVER_FIGURES, 0.0))

    def add(self, stats: JsonObject | None) -> None:
        """A poll; None: no answer."""
        self.polls += 1
        if stats is None:
            return
        self.answered += 1
        for name in SERVER_FIGURES:
            self.sums[name] += _count(stats, name)
        self.clients_max = max(self.clients_max, _count(stats, "total_clients"))

    def row(self) -> tuple[Any, ...]:
        """online, cpu, memory, streams, clients, clients_max, input_kbit, output_kbit"""
        means = [self.sums[name] / max(1, self.answered) for name in SERVER_FIGURES]
        return (self.answered / self.polls, *means[:4], self.clients_max, *means[4:])


def _tell(
    told: Told, host: str, name: str, stats: JsonObject, before: _Seen | None, now: _Seen
) -> None:
    """What changed since the last poll, of a streamer that does not tell by itself."""
    if before is None:
        told(name, host, "stream_opened", {"status": now.status})
    elif before.status != now.status:
        events = {"running": "source_started", "error": "source_lost"}
        reason = stats.get("source_error")
        body = {"status": now.status, **({"reason": reason} if reason else {})}
        told(name, host, events.get(now.status, "source_closed"), body)


def growth(before: int | None, now: int) -> int:
    """Bytes since the last poll; a counter that went down began anew."""
    return now if before is None or now < before else now - before


class Collector:
    """`observe` each poll; `start()` runs the clocks of samples and sessions."""

    def __init__(
        self, fleet: Fleet, history: History, shown_of: Callable[[str, Any], Any] | None = None
    ) -> None:
        """`shown_of`: what is told of a stream by its name, for people."""
        self._fleet = fleet
        self._history = history
        self._shown_of = shown_of
        self._hosts: dict[str, _Host] = {}
        self._samples: dict[tuple[str, str], Sample] = {}
        self._servers: dict[str, ServerSample] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._fleet.on_poll(self.observe)
        self._tasks = [
            asyncio.create_task(self._sample_clock(), name="history-samples"),
            asyncio.create_task(self._session_clock(), name="history-sessions"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.write_samples()

    def observe(self, link: StreamerLink) -> None:
        """Called after each poll of a streamer."""
        host = self._hosts.setdefault(link.hostname, _Host())
        if link.online != host.online:
            event = "presence_connected" if link.online else "presence_disconnected"
            detail = {} if link.online else {"reason": link.error}
            self._history.add_event(None, link.hostname, event, detail)
            host.online = link.online
        if link.observed is None:
            self._sample_streamer(link)
            return
        told = None if link.delivers_events else self._tell
        present: dict[str, _Seen] = {}
        for name, item in link.observed.streams.items():
            stats = item.get("stats")
            if isinstance(stats, dict):
                before = host.streams.get(name)
                present[name] = self._stream(link.hostname, name, stats, before)
                if told is not None:
                    _tell(told, link.hostname, name, stats, before, present[name])
        if told is not None:
            for name in host.streams.keys() - present.keys():
                told(name, link.hostname, "stream_closed")
        host.streams = present
        self._sample_streamer(link)

    def _stream(self, host: str, name: str, stats: JsonObject, before: _Seen | None) -> _Seen:
        status = str(stats.get("status") or "waiting")
        now = _Seen(status, _count(stats, "bytes_in"), _count(stats, "bytes_out"))
        sample = self._samples.setdefault((name, host), Sample())
        clients = _count(stats, "online_clients") or _count(stats, "client_count")
        sample.status = status
        sample.polls += 1
        sample.alive += bool(stats.get("alive"))
        sample.bitrate_sum += _count(stats, "bitrate")
        sample.clients_sum += clients
        sample.clients_max = max(sample.clients_max, clients)
        sample.bytes_in += growth(before.bytes_in if before else None, now.bytes_in)
        sample.bytes_out += growth(before.bytes_out if before else None, now.bytes_out)
        return now

    def _tell(self, name: str, host: str, event: str, body: JsonObject | None = None) -> None:
        kept = self._shown_of(name, body) if self._shown_of is not None and body else body
        self._history.add_event(name, host, event, kept)

    def _sample_streamer(self, link: StreamerLink) -> None:
        sample = self._servers.setdefault(link.hostname, ServerSample())
        sample.add(link.observed.stats if link.observed is not None else None)

    def write_samples(self) -> None:
        """One row for each stream that was seen since the last call."""
        at = datetime.now(UTC)
        samples, self._samples = self._samples, {}
        for (name, host), sample in samples.items():
            row = (
                at, name, host, sample.status,
                round(sample.bitrate_sum / sample.polls),
                sample.clients_sum / sample.polls,
                sample.clients_max, sample.bytes_in, sample.bytes_out,
                sample.alive / sample.polls,
            )  # fmt: skip
            self._history.add("stream_sample", row)
        servers, self._servers = self._servers, {}
        for hostname, server in servers.items():
            self._history.add("streamer_sample", (at, hostname, *server.row()))

    async def _sample_clock(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS - time.time() % SAMPLE_SECONDS)
            self.write_samples()

    async def _session_clock(self) -> None:
        while True:
            await asyncio.sleep(SESSIONS_SECONDS)
            links = [link for link in self._fleet.links() if link.online]
            await asyncio.gather(*(self._read_sessions(link) for link in links))

    async def _read_sessions(self, link: StreamerLink) -> None:
        try:
            items = await link.client.collection("sessions", select=SESSION_FIELDS)
        except StreamerError as error:
            log.debug("sessions of %s: %s", link.hostname, error)
            return
        self.observe_sessions(link.hostname, items)

    def observe_sessions(self, hostname: str, items: list[JsonObject]) -> None:
        """A session that is gone since the last time has ended; its last counters are kept."""
        host = self._hosts.setdefault(hostname, _Host())
        present = {str(item["id"]): item for item in items if item.get("id")}
        now = datetime.now(UTC)
        for identity in host.sessions.keys() - present.keys():
            self._history.add("session", _session_row(hostname, host.sessions[identity], now))
        host.sessions = present


def _session_row(hostname: str, item: JsonObject, now: datetime) -> tuple[Any, ...]:
    opened = item.get("opened_at")
    opened_at = datetime.fromtimestamp(opened / 1000, UTC) if opened else now
    return (
        now, str(item["id"]), hostname, str(item.get("name") or ""),
        str(item.get("type") or "play"), item.get("proto"), item.get("ip"), opened_at, now,
        _count(item, "bytes"), item.get("country"), item.get("user_agent"),
    )  # fmt: skip


def _count(values: JsonObject, key: str) -> int:
    value = values.get(key)
    return round(value) if isinstance(value, int | float) and math.isfinite(value) else 0
