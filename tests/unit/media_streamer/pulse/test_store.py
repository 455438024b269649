"""The file of the history, at times that the test says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from media_streamer.pulse.points import SHAPES, Points
from media_streamer.pulse.span import span_of
from media_streamer.pulse.store import FILE, Key, Store, known, read

DAY = 86_400
BEGIN = 1_699_920_000
A: Key = ("stream", "a")
assert BEGIN % DAY == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history" / FILE


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    one = Store(path)
    yield one
    one.close()


def row(clients: int, bytes_in: int = 7) -> tuple[int, ...]:
    figures = {"clients": clients, "clients_max": clients, "bytes_in": bytes_in, "alive": 1}
    return SHAPES["stream"].row(figures)


def fill(store: Store, begin: int, minutes: int, clients: int, *, step: int = 20) -> None:
    for minute in range(begin, begin + 60 * minutes, 60):
        store.add(minute, {A: {minute + s: row(clients) for s in range(0, 60, step)}})


def points(
    path: Path, since: int, until: int, now: int, count: int = 300
) -> list[dict[str, float]]:
    span = span_of(since, until, count, now)
    found: Points = read(path, A, span, {})
    return [{"at": at, **SHAPES["stream"].figures(one)} for at, one in sorted(found.items())]


def test_samples_are_read_as_they_were(store: Store, path: Path) -> None:
    fill(store, BEGIN, 3, 5)
    found = points(path, BEGIN, BEGIN + 180, BEGIN + 180)
    assert [one["at"] for one in found] == [BEGIN + 20 * n for n in range(9)]
    assert {one["clients"] for one in found} == {5}
    assert points(path, BEGIN + 200, BEGIN + 300, BEGIN + 300) == []


def test_a_minute_of_two_runs_has_the_samples_of_both(store: Store, path: Path) -> None:
    store.add(BEGIN, {A: {BEGIN: row(1)}})
    store.add(BEGIN, {A: {BEGIN + 30: row(2)}})
    assert [one["clients"] for one in points(path, BEGIN, BEGIN + 60, BEGIN + 60)] == [1, 2]


def test_levels_are_rolled_up_and_a_graph_ends_now(store: Store, path: Path) -> None:
    fill(store, BEGIN + DAY - 7200, 120, 10)
    now = BEGIN + DAY + 2 * 3600 + 120
    fill(store, BEGIN + DAY, 122, 20)
    store.maintain(now)
    store.maintain(now)  # nothing is counted twice
    found = points(path, BEGIN - 30 * DAY, now, now)
    assert found[-1]["at"] + 10_800 > now
    assert sum(one["bytes_in"] for one in found) == 7 * 3 * (120 + 122)
    assert {one["clients_max"] for one in found} == {10, 20}
    by_minute = points(path, BEGIN + DAY - 7200, now, now, 242)
    assert len(by_minute) == 242
    assert {one["bytes_in"] for one in by_minute} == {21}


def test_what_is_old_goes_level_by_level(store: Store, path: Path) -> None:
    fill(store, BEGIN, 60, 5)
    store.maintain(BEGIN + DAY + 60)
    now = BEGIN + 100 * DAY
    store.maintain(now)
    assert points(path, BEGIN, BEGIN + 3600, BEGIN + 3600) == []
    assert sum(one["bytes_in"] for one in points(path, BEGIN, BEGIN + DAY, now)) == 60 * 21
    store.maintain(BEGIN + 400 * DAY)
    assert points(path, BEGIN, BEGIN + DAY, BEGIN + 400 * DAY) == []


def test_a_server_that_was_off_for_days_rolls_up_what_it_had(store: Store, path: Path) -> None:
    fill(store, BEGIN, 60, 5)
    now = BEGIN + 5 * DAY
    fill(store, now - 60, 1, 6)
    store.maintain(now)
    found = points(path, BEGIN - 30 * DAY, now, now)
    assert sum(one["bytes_in"] for one in found) == 61 * 21


def test_the_file_has_a_bound(path: Path) -> None:
    store = Store(path, max_bytes=60_000)
    fill(store, BEGIN, 400, 5, step=5)
    store.maintain(BEGIN + 400 * 60)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    size = store._db.execute("PRAGMA page_size").fetchone()[0]
    assert pages * size <= 80_000
    store.close()
    assert points(path, BEGIN, BEGIN + 400 * 60, BEGIN + 400 * 60)


def test_a_stream_without_a_history(store: Store, path: Path) -> None:
    span = span_of(BEGIN, BEGIN + 60, 300, BEGIN + 60)
    assert read(path, ("stream", "none"), span, {}) == {}
    newest = {BEGIN: row(1)}
    assert read(path, ("stream", "none"), span, newest) == newest


def test_a_file_that_is_being_made_has_no_history_yet(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    span = span_of(BEGIN, BEGIN + 60, 300, BEGIN + 60)
    assert read(path, A, span, {BEGIN: row(1)}) == {BEGIN: row(1)}
    assert not known(path, A)
