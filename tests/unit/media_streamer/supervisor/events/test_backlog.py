"""Events on disk: order, bounds, another run, a disk that fails."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.supervisor.events import backlog as module
from media_streamer.supervisor.events.backlog import Backlog, backlog_directory


def events(*numbers: int) -> list[dict[str, Any]]:
    return [{"event": "e", "event_id": number} for number in numbers]


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [one["event_id"] for one in found]


def drained(backlog: Backlog) -> list[int]:
    found: list[int] = []
    while batch := backlog.read(100):
        found += numbers(batch)
        backlog.take()
    return found


def test_what_waits_outlives_the_run_that_kept_it(tmp_path: Path) -> None:
    first = Backlog(tmp_path / "s")
    first.append(events(*range(1, 6)))
    assert numbers(first.read(2)) == [1, 2]
    first.take()
    assert numbers(first.read(2)) == [3, 4], "not taken: they stay"
    second = Backlog(tmp_path / "s")
    assert second.load() == 3
    second.append(events(4, 5, 6))
    assert drained(second) == [3, 4, 5, 6], "none twice"
    assert list(tmp_path.joinpath("s").glob("*.jsonl")) == []
    assert Backlog(tmp_path / "s").load() == 0


def test_the_oldest_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_EVENTS", 4)
    backlog = Backlog(tmp_path / "s")
    assert backlog.append(events(*range(10)), 7) == 3
    assert backlog.append(events(*range(10, 15)), 7) == 5
    assert drained(backlog) == list(range(8, 15))
    small = Backlog(tmp_path / "t", max_bytes=1000)
    dropped = sum(small.append(events(number)) for number in range(100))
    left = drained(small)
    assert 4 < len(left) < 40
    assert (dropped, left) == (100 - len(left), list(range(100 - len(left), 100)))


def test_nobody_else_reads_what_waits(tmp_path: Path) -> None:
    Backlog(tmp_path / "s").append(events(1))
    [file] = (tmp_path / "s").glob("*.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_broken_lines_are_passed_over(tmp_path: Path) -> None:
    directory = tmp_path / "s"
    Backlog(directory).append(events(5, 6))
    [file] = directory.glob("*.jsonl")
    file.write_bytes(b"\xff\n[]\n" + file.read_bytes() + b'{"event_id": 7, "ev')
    (directory / "position").write_text("nonsense")
    (directory / "other.jsonl").write_text("not ours")
    backlog = Backlog(directory)
    backlog.append(events(8))
    assert drained(backlog) == [5, 6, 8]
    assert len(backlog) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "7",
        "[1]",
        '["1", "2", "3"]',
        "[1, -1, 0]",
        "[1, 3, 0]",
        "[1, 1000000, 2]",
        "[" * 9999,
        "[1, null, 2]",
        "[1, 0, 2]",
        "[1, 1e400, 0]",
    ],
)
def test_a_damaged_position_loses_nothing(tmp_path: Path, text: str) -> None:
    first = Backlog(tmp_path / "s")
    first.append(events(1, 2, 3))
    first.read(1)
    first.take()
    tmp_path.joinpath("s", module.POSITION).write_text(text)
    assert drained(Backlog(tmp_path / "s")) == [1, 2, 3]


def test_a_disk_that_fails_keeps_nothing_by_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = Backlog(tmp_path / "s")
    backlog.append(events(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            backlog.append(events(2, 3))
    backlog.append(events(2, 3))
    assert drained(backlog) == [1, 2, 3]
    (tmp_path / "t").write_text("in the way of the directory")
    with pytest.raises(OSError, match="exists"):
        Backlog(tmp_path / "t").append(events(1))


def test_what_was_discarded_stays_away(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path / "s")
    backlog.append(events(1))
    backlog.discard()
    backlog.append(events(2))
    assert backlog.read(9) == []
    assert not (tmp_path / "s").exists()


@given(st.text(max_size=400), st.text(max_size=400))
def test_each_sink_has_a_directory_of_its_own(one: str, other: str) -> None:
    found = backlog_directory(Path("/state"), one), backlog_directory(Path("/state"), other)
    if one:
        assert found[0].parent == Path("/state")
    assert (found[0] == found[1]) == (one == other)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=20))
def test_order_and_number_hold(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    """Whatever is kept, taken and read by another run: each once, in order."""
    directory = tmp_path_factory.mktemp("b") / "s"
    backlog, seen, following = Backlog(directory), list[int](), 0
    for kept, taken, again in steps:
        backlog.append(events(*range(following, following + kept)))
        following += kept
        if taken and (batch := backlog.read(taken)):
            seen += numbers(batch)
            backlog.take()
        if again:
            backlog = Backlog(directory)
        assert backlog.load() == following - len(seen)
    assert seen + drained(backlog) == list(range(following))
