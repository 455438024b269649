"""Streams stay where they are, new ones go where least runs, epochs grow."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.supervisor.directory import Directory


@given(st.lists(st.integers(0, 200), max_size=200), st.integers(1, 8))
def test_streams_spread_evenly_and_stay(numbers: list[int], workers: int) -> None:
    directory, ids = Directory(), [str(n) for n in range(workers)]
    places = {f"s{n}": directory.place(f"s{n}", ids) for n in numbers}
    counts = [len(directory.streams_of(worker)) for worker in ids]
    assert max(counts) - min(counts) <= 1
    assert {name: directory.place(name, ids) for name in places} == places


def test_a_restart_renews_the_epochs_of_its_streams_only() -> None:
    directory = Directory()
    a, b = directory.place("a", ["0"]), directory.place("b", ["1"])
    directory.take_changes()
    directory.renew("0")
    assert directory.get("b") == b
    renewed = directory.get("a")
    assert renewed is not None
    assert renewed.epoch > b.epoch > a.epoch
    assert directory.take_changes() == {"a": renewed}


def test_a_dropped_stream_is_told_once() -> None:
    directory = Directory()
    directory.place("a", ["0"])
    directory.drop("a")
    directory.drop("a")
    assert directory.take_changes() == {"a": None}
    assert directory.take_changes() == {}
    assert directory.whole() == {}
