"""Sessions over several workers: bytes add up, ends are told once."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.supervisor.sessions import (
    SILENT_SECONDS,
    UNCLAIMED_SECONDS,
    Session,
    SessionRegistry,
)
from media_streamer.supervisor.tickets import read_ticket, write_ticket
from media_streamer.wire.control import SessionReport


class Ended:
    """Notes the sessions that end: why, and who serves them still."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, tuple[str, ...]]] = []

    def opened(self, session: Session) -> None: ...

    def started(self, session: Session) -> None: ...

    def closed(self, session: Session, workers: tuple[str, ...]) -> None:
        self.ended.append((session.close_reason, workers))


def session(name: str = "a", **details: object) -> Session:
    return Session(id="", name=name, kind="play", proto="hls", ip="10.0.0.1", **details)  # type: ignore[arg-type]


@given(
    st.lists(
        st.tuples(st.sampled_from(["0", "1", "2"]), st.integers(0, 10**9)), min_size=1, max_size=40
    )
)
def test_bytes_of_workers_add_up(grown: list[tuple[str, int]]) -> None:
    registry = SessionRegistry(Ended())
    one = registry.open(session())
    counters: dict[str, int] = {}
    for worker, more in grown:
        counters[worker] = counters.get(worker, 0) + more
        registry.update(worker, [SessionReport(one.id, counters[worker], 0)])
    total = sum(more for _, more in grown)
    assert one.bytes == total == registry.bytes_sent == registry.totals("a").bytes


def test_a_worker_that_restarts_loses_nothing() -> None:
    registry = SessionRegistry(Ended())
    one = registry.open(session(key="k"))
    registry.update("0", [SessionReport(one.id, 100, 0)])
    registry.worker_died("0")
    assert registry.by_key("k") is one, "an HLS viewer comes back by another worker"
    registry.update("0", [SessionReport(one.id, 30, 0)])
    assert one.bytes == 130


def test_the_last_worker_ends_the_session() -> None:
    listener = Ended()
    ended, registry = listener.ended, SessionRegistry(listener)
    one = registry.open(session())
    for worker in ("0", "1"):
        registry.claim(worker, one.id)
    registry.left("0", one.id, 10, "client left")
    assert not ended
    registry.left("1", one.id, 20, "client left")
    registry.left("1", one.id, 20, "client left")
    assert ended == [("client left", ())]
    assert one.info()["status"] == "finished"
    assert one.bytes == 30


def test_closing_tells_the_workers_that_serve_it() -> None:
    listener = Ended()
    ended, registry = listener.ended, SessionRegistry(listener)
    one = registry.open(session(key="k"))
    registry.claim("0", one.id)
    registry.claim("1", one.id)
    assert registry.close(one.id, "closed by API")
    assert not registry.close(one.id, "closed by API")
    assert ended == [("closed by API", ("0", "1"))]
    assert registry.by_key("k") is None
    assert registry.update("0", [SessionReport(one.id, 1, 0), SessionReport("never", 0, 0)]) == [
        one.id
    ]


def test_silence_ends_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SessionRegistry(Ended())
    served, unclaimed = registry.open(session()), registry.open(session())
    registry.claim("0", served.id)
    registry.expire()
    assert len(registry) == 2
    served.seen -= SILENT_SECONDS + 1
    unclaimed.seen -= UNCLAIMED_SECONDS - 1
    registry.expire()
    assert [item.id for item in registry] == [unclaimed.id]


def test_connections_of_a_dead_worker_are_gone() -> None:
    registry = SessionRegistry(Ended())
    one = registry.open(session())
    registry.claim("0", one.id)
    registry.worker_died("0")
    assert len(registry) == 0


def test_rates() -> None:
    registry = SessionRegistry(Ended())
    one = registry.open(session())
    now = time.monotonic()
    registry.sample_rates(now)
    registry.update("0", [SessionReport(one.id, 250_000, 0)])
    registry.sample_rates(now + 2)
    assert registry.rate_kbit("a") == registry.rate_kbit() == 1000
    assert registry.rate_kbit("unknown") == 0


def test_sessions_are_taken_over_from_the_workers_that_serve_them() -> None:
    """Without an event: to the outside nothing happened."""
    before = SessionRegistry(Ended())
    one = before.open(session(key="k", token="t\udcff", owner="o", max_sessions=3))
    one.recheck_at = 1.0
    ticket = write_ticket(one)
    after = SessionRegistry(Ended())
    for worker, count in (("0", 100), ("1", 50)):
        after.adopt(worker, read_ticket(ticket), count, 1)
    found = after.get(one.id)
    assert found is not None
    assert after.by_key("k") is found
    assert after.of_owner("o") == [found]
    assert (found.bytes, found.opened_at, found.max_sessions) == (150, one.opened_at, 3)
    assert (after.clients, len(after), after.totals("a").bytes) == (1, 1, 150)
    assert found.recheck_at is not None
    assert found.recheck_at > time.monotonic()
    after.update("0", [SessionReport(one.id, 130, 1)])
    assert found.bytes == 180
    with pytest.raises(msgspec.DecodeError):
        read_ticket(b"nonsense")
