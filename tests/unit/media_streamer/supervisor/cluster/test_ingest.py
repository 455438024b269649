"""One server of a cluster captures a stream, and all know which."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.supervisor.cluster.ingest import capturer, capturers

SERVERS = st.sets(st.sampled_from("abcdef"), min_size=1)


@given(SERVERS, st.sampled_from([None, "a", "z"]))
def test_all_come_to_the_same(servers: set[str], capture_at: str | None) -> None:
    chosen = set()
    for own in servers:
        peers = {peer: {"s"} for peer in servers - {own}}
        chosen.add(capturers(own, {"s": capture_at}, peers).get("s", own))
    assert len(chosen) == 1
    assert chosen <= servers
    if capture_at in servers:
        assert chosen == {capture_at}


@given(SERVERS, st.sampled_from("abcdef"))
def test_who_dies_leaves_the_streams_of_others_alone(servers: set[str], dead: str) -> None:
    for name in map(str, range(20)):
        before = capturer(name, None, servers)
        if (left := servers - {dead}) and before != dead:
            assert capturer(name, None, left) == before


def test_streams_are_spread_and_only_over_those_that_have_them() -> None:
    streams = {f"s{n}": None for n in range(300)}
    peers = {"b": set(streams), "c": set(streams), "d": {"s1"}, "e": set()}
    counts = Counter(capturers("a", streams, peers).values())
    assert 60 < counts["b"] < 140
    assert 60 < counts["c"] < 140
    assert counts["d"] <= 1
    assert "e" not in counts
