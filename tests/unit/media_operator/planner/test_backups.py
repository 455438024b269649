"""Copies of archives: where they go, and that they move only where they must."""

from collections import Counter
from random import Random

from media_operator.planner import StreamDemand, StreamerOffer, choose_backups

A, B, C = (StreamerOffer(name, channel_limit=100) for name in "abc")


def backups(
    wanted: dict[str, int],
    servers: list[StreamerOffer],
    ingests: dict[str, str],
    current: dict[str, list[str]] | None = None,
) -> dict[str, list[str]]:
    names = wanted.keys() | (current or {}).keys()
    demands = {name: StreamDemand(name, records=True) for name in names}
    return choose_backups(wanted, demands, servers, ingests, current or {}, Random(1))


def test_copies_are_elsewhere_and_even() -> None:
    wanted = {f"s{number}": 1 for number in range(10)}
    ingests = dict.fromkeys(wanted, "a")
    found = backups(wanted, [A, B, C], ingests)
    assert Counter(hosts[0] for hosts in found.values()) == {"b": 5, "c": 5}
    assert backups(wanted, [A, B, C], ingests, found) == {}


def test_a_copy_moves_only_where_it_must() -> None:
    assert backups({"s": 1}, [A, B, C], {"s": "a"}, {"s": ["b"]}) == {}
    assert backups({"s": 1}, [A, B, C], {"s": "b"}, {"s": ["b"]}) in (
        {"s": ["a"]},
        {"s": ["c"]},
    )
    down = StreamerOffer("b", online=False)
    assert backups({"s": 1}, [A, down, C], {"s": "a"}, {"s": ["b"]}) == {"s": ["c"]}
    assert backups({"s": 3}, [A, B], {"s": "a"}, {"s": ["b"]}) == {}
    assert backups({}, [A, B], {"s": "a"}, {"s": ["b"]}) == {"s": []}


def test_no_copy_goes_where_no_archive_has_room() -> None:
    full = StreamerOffer("b", dvr_full=True)
    assert backups({"s": 1}, [A, full], {"s": "a"}) == {}
