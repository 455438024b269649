"""All open sessions of viewers and publishers, whichever egress workers serve them.

Invariants: a session is opened by an access decision and ends once: closed by its last worker, by
an administrator, by a limit or by silence. Workers count bytes from when they first saw the
session; the sum over workers is kept here, so that a worker's restart loses nothing that it had
reported.
"""

import hashlib
import itertools
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from media_api.auth import AuthSpec

from media_streamer.supervisor.rate import Rate
from media_streamer.wire.control import PathReport, SessionReport

JsonObject = dict[str, Any]

SILENT_SECONDS = 35.0
"""Egress reports a live session every 10 s, and an HLS viewer asks each segment: 30 s and slack."""
UNCLAIMED_SECONDS = 60.0
"""An access decision that no worker used: the client went away in between."""
CLOSED_KEPT = 1000


@dataclass(slots=True, eq=False)
class Session:
    """A viewer or publisher; times are Unix seconds, `seen` is monotonic."""

    id: str
    name: str
    kind: Literal["play", "publish"]
    proto: str
    ip: str
    key: str = ""
    """Hash that later requests of the session are recognised by; empty: one connection only."""
    token: str = ""
    query_string: str = ""
    user_agent: str = ""
    referer: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2, if it is known."""
    user_id: str = ""
    owner: str = ""
    """Whom `max_sessions` counts: the user that the backend named, else the token."""
    max_sessions: int | None = None
    soft_limitation: bool = False
    counted_at: float | None = None
    """Monotonic seconds from which it counts for `max_sessions`, if it came in above that."""
    is_relay: bool = False
    """Another streamer of the cluster, which decides about its own viewers."""
    is_operator: bool = False
    """He came with a play token of the API (`play_tokens`)."""
    dvr: bool = False
    """It plays what is recorded."""
    location: str = ""
    """It plays a file of this location, which counts for the location: anybody can name files."""
    opened_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    first_byte_at: float | None = None
    closed_at: float | None = None
    seen: float = field(default_factory=time.monotonic)
    request_number: int = 0
    recheck_at: float | None = None
    """Monotonic seconds at which the backend is asked again; None: never."""
    sealed: str = ""
    """Tells with which keys segments are encrypted for it (`delivery.seal_of`); empty: in clear."""
    rules: AuthSpec | None = None
    """What let it in; it is asked about again once its stream has others."""
    bytes_by_worker: dict[str, int] = field(default_factory=dict)
    bytes_gone: int = 0
    dropped_gops: int = 0
    path: PathReport = field(default_factory=PathReport)
    close_reason: str = ""

    @property
    def account(self) -> str:
        """Whose totals it counts for."""
        return f"{self.location}:" if self.location else self.name

    @property
    def is_judged(self) -> bool:
        """Whether the rules for viewers hold for it."""
        return not (self.is_relay or self.is_operator)

    @property
    def bytes(self) -> int:
        return self.bytes_gone + sum(self.bytes_by_worker.values())

    def info(self) -> JsonObject:
        """JSON of `media_api.status.SessionInfo`; Unix ms."""
        status = "finished" if self.closed_at else "running" if self.bytes else "establishing"
        return _without_empty(
            {
                "id": self.id,
                "type": self.kind,
                "name": self.name,
                "proto": self.proto,
                "ip": self.ip,
                "token": self.token,
                "user_id": self.user_id,
                "max_sessions": self.max_sessions,
                "soft_limitation": self.soft_limitation,
                "dvr": self.dvr,
                "user_agent": self.user_agent,
                "referer": self.referer,
                "country": self.country,
                "query_string": self.query_string,
                "bytes": self.bytes,
                "dropped_gops": self.dropped_gops or None,
                "track": self.path.track,
                "track_switches": self.path.switches or None,
                "path_bandwidth": self.path.bandwidth or None,
                "path_queue": self.path.queue_ms or None,
                "lost_packets": self.path.lost or None,
                "retransmitted_packets": self.path.repeated or None,
                "opened_at": _ms(self.opened_at),
                "started_at": _ms(self.first_byte_at),
                "first_byte_at": _ms(self.first_byte_at),
                "updated_at": _ms(self.updated_at),
                "closed_at": _ms(self.closed_at),
                "status": status,
            }
        )


@dataclass(slots=True)
class Totals:
    """Counters of one stream since it became known."""

    bytes: int = 0
    play_sessions: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    """Answers to viewers over HTTP: `play_PROTOCOL_http_STATUS`."""


class SessionListener(Protocol):
    """Hears of every session."""

    def opened(self, session: Session) -> None: ...

    def started(self, session: Session) -> None:
        """Its first bytes."""

    def closed(self, session: Session, workers: tuple[str, ...]) -> None:
        """`workers` serve it still."""


class SessionRegistry:
    """Lives on the supervisor's loop."""

    def __init__(self, listener: SessionListener) -> None:
        self._listener = listener
        self._open: dict[str, Session] = {}
        self._by_key: dict[str, Session] = {}
        self._by_name: dict[str, dict[str, Session]] = {}
        self._by_owner: dict[str, dict[str, Session]] = {}
        self._totals: dict[str, Totals] = {}
        self._rates: dict[str, Rate] = {}
        self.closed: deque[Session] = deque(maxlen=CLOSED_KEPT)
        self._closed_ids: set[str] = set()
        self.clients = 0
        """Open play sessions."""
        self.bytes_sent = 0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._open.values()))

    def get(self, session_id: str) -> Session | None:
        return self._open.get(session_id)

    def by_key(self, key: str) -> Session | None:
        return self._by_key.get(key) if key else None

    def of_stream(self, name: str, kind: str = "play") -> list[Session]:
        return [item for item in self._by_name.get(name, {}).values() if item.kind == kind]

    def opened_files(self) -> set[str]:
        """Names of the files that are played."""
        return {name for name, held in self._by_name.items() if _is_file(held)}

    def are_open(self, name: str) -> bool:
        """Whether anybody plays or publishes the stream."""
        return bool(self._by_name.get(name))

    def of_owner(self, owner: str) -> list[Session]:
        """Open play sessions that count for one user, the oldest first."""
        return [item for item in self._by_owner.get(owner, {}).values() if item.kind == "play"]

    def totals(self, name: str) -> Totals:
        return self._totals.setdefault(name, Totals())

    def open(self, session: Session) -> Session:
        """Register a session; gives it an identifier if it has none."""
        session.id = session.id or str(uuid.uuid4())
        self._enter(session)
        self._listener.opened(session)
        return session

    def _enter(self, session: Session) -> None:
        self._open[session.id] = session
        if session.key:
            self._by_key[session.key] = session
        self._by_name.setdefault(session.name, {})[session.id] = session
        if session.owner:
            self._by_owner.setdefault(session.owner, {})[session.id] = session
        if session.kind == "play":
            self.clients += 1
            self.totals(session.account).play_sessions += 1

    def adopt(self, worker: str, session: Session, byte_count: int, dropped_gops: int) -> None:
        """A worker that was taken over serves the session, maybe as one of several."""
        known = self._open.get(session.id)
        if known is None:
            known = session
            self._enter(session)
        if known.first_byte_at is None and byte_count:
            known.first_byte_at = known.opened_at  # it was told as started long ago
        known.bytes_by_worker.setdefault(worker, 0)
        self._count(known, worker, byte_count, time.time())
        known.dropped_gops = max(known.dropped_gops, dropped_gops)
        known.seen = time.monotonic()

    def claim(self, worker: str, session_id: str) -> None:
        """A worker was given leave to serve the session."""
        session = self._open.get(session_id)
        if session is not None:
            session.bytes_by_worker.setdefault(worker, 0)
            session.seen = time.monotonic()

    def update(self, worker: str, reports: Iterable[SessionReport]) -> list[str]:
        """Bytes counted by one worker; returns sessions among them that were closed here."""
        strangers: list[str] = []
        now, unix = time.monotonic(), time.time()
        for report in reports:
            session = self._open.get(report.id)
            if session is None:
                if report.id in self._closed_ids:
                    strangers.append(report.id)
                continue
            self._count(session, worker, report.bytes, unix)
            session.dropped_gops = report.dropped_gops
            session.path = report.path or session.path
            session.seen = now
        return strangers

    def answered(self, name: str, protocol: str, status: int, count: int) -> None:
        """Viewers of a stream were answered so over HTTP."""
        answers, key = self.totals(name).answers, f"play_{protocol}_http_{status}"
        answers[key] = answers.get(key, 0) + count

    def left(self, worker: str, session_id: str, byte_count: int, reason: str) -> None:
        """A worker serves the session no longer; the last one ends it."""
        session = self._open.get(session_id)
        if session is None:
            return
        self._count(session, worker, byte_count, time.time())
        session.bytes_gone += session.bytes_by_worker.pop(worker, 0)
        if not session.bytes_by_worker:
            self._end(session, reason)

    def worker_died(self, worker: str) -> None:
        """Its connections are gone. HLS viewers come back with their key to another worker."""
        for session in list(self._open.values()):
            if worker not in session.bytes_by_worker:
                continue
            session.bytes_gone += session.bytes_by_worker.pop(worker)
            if not session.bytes_by_worker and not session.key:
                self._end(session, "egress worker died")

    def close(self, session_id: str, reason: str) -> bool:
        """End a session from here; False if there is none."""
        session = self._open.get(session_id)
        if session is None:
            return False
        self._end(session, reason)
        return True

    def close_stream(self, name: str, reason: str) -> int:
        """End all sessions of a stream; returns how many."""
        found = list(self._by_name.get(name, {}).values())
        for session in found:
            self._end(session, reason)
        return len(found)

    def close_location(self, location: str, reason: str) -> None:
        """It is gone or another one: who plays its files asks anew."""
        for session in self:
            if session.location == location:
                self._end(session, reason)
        self.forget_stream(f"{location}:")

    def forget_stream(self, name: str) -> None:
        """The stream is gone: so are its counters."""
        self._totals.pop(name, None)
        self._rates.pop(name, None)

    def expire(self) -> None:
        """End what no worker has reported for too long."""
        now = time.monotonic()
        for session in list(self._open.values()):
            limit = SILENT_SECONDS if session.bytes_by_worker else UNCLAIMED_SECONDS
            if now - session.seen > limit:
                self._end(session, "timeout")

    def sample_rates(self, now: float) -> None:
        """Called each second: remember counters for `rate_kbit`."""
        for name in itertools.chain(list(self._totals), [""]):
            value = self._totals[name].bytes if name else self.bytes_sent
            self._rates.setdefault(name, Rate()).sample(now, value)

    def rate_kbit(self, name: str = "") -> int:
        """Output of a stream ("" = of the server) in kbit/s, over the last seconds."""
        rate = self._rates.get(name)
        return rate.kbit if rate is not None else 0

    def _count(self, session: Session, worker: str, byte_count: int, unix: float) -> None:
        grown = byte_count - session.bytes_by_worker.get(worker, 0)
        if grown < 0:  # the worker restarted under the same name
            session.bytes_gone += session.bytes_by_worker.get(worker, 0)
            grown = byte_count
        session.bytes_by_worker[worker] = byte_count
        if grown <= 0:
            return
        session.updated_at = unix
        if session.first_byte_at is None:
            session.first_byte_at = unix
            self._listener.started(session)
        if session.kind == "publish":
            return
        self.bytes_sent += grown
        self.totals(session.account).bytes += grown

    def _end(self, session: Session, reason: str) -> None:
        del self._open[session.id]
        if session.key and self._by_key.get(session.key) is session:
            del self._by_key[session.key]
        self.clients -= session.kind == "play"
        for index, value in ((self._by_name, session.name), (self._by_owner, session.owner)):
            siblings = index.get(value, {})
            siblings.pop(session.id, None)
            if not siblings:
                index.pop(value, None)
        session.closed_at = time.time()
        session.close_reason = reason
        workers = tuple(session.bytes_by_worker)
        if len(self.closed) == CLOSED_KEPT:
            self._closed_ids.discard(self.closed[0].id)
        self.closed.append(session)
        self._closed_ids.add(session.id)
        self._listener.closed(session, workers)


def session_key(parts: Iterable[str]) -> str:
    """Identity of a session: sha1 of its parts, which are name, ip, proto and the token."""
    return hashlib.sha1("\0".join(parts).encode(), usedforsecurity=False).hexdigest()


def _is_file(sessions: Mapping[str, Session]) -> bool:
    return any(session.location for session in sessions.values())


def _ms(unix: float | None) -> int | None:
    return None if unix is None else int(unix * 1000)


def _without_empty(data: JsonObject) -> JsonObject:
    return {key: value for key, value in data.items() if value not in (None, "")}
