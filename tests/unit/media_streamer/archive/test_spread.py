from collections import Counter
from pathlib import Path

from media_streamer.archive.places import HOUR_MS
from media_streamer.archive.spread import order

DISKS = [Path(f"/d{n}") for n in range(4)]


def test_streams_and_hours_spread_evenly() -> None:
    first = Counter(
        order(f"s{n}", hour * HOUR_MS, DISKS)[0] for n in range(50) for hour in range(20)
    )
    assert set(first) == set(DISKS)
    assert all(200 <= count <= 300 for count in first.values()), first


def test_within_an_hour_it_is_one_disk() -> None:
    assert order("a", 5 * HOUR_MS, DISKS) == order("a", 6 * HOUR_MS - 1, DISKS[::-1])


def test_a_disk_that_goes_moves_nothing_between_the_others() -> None:
    for hour in range(50):
        before = order("a", hour * HOUR_MS, DISKS)
        assert order("a", hour * HOUR_MS, DISKS[1:]) == [d for d in before if d != DISKS[0]]
