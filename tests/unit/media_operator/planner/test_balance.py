"""Rebalancing: examples, and that it ends, fits and makes the load even."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from media_operator.planner import (
    Assignment,
    ChangeReason,
    Decision,
    StreamDemand,
    StreamerOffer,
    place,
    rebalance,
)
from media_operator.planner.encoding import Encoding

A, B, C = StreamerOffer("a"), StreamerOffer("b"), StreamerOffer("c")
ALL_ON_A = {f"s{i}": Assignment("a") for i in range(9)}
NINE = [StreamDemand(f"s{i}") for i in range(9)]


def moved(
    streams: list[StreamDemand],
    streamers: list[StreamerOffer],
    current: dict[str, Assignment],
    at_most: int = 1000,
) -> list[Decision]:
    return rebalance(streams, streamers, current, at_most)


def homes(current: dict[str, Assignment], decisions: list[Decision]) -> Counter[str]:
    after = {name: placed.streamer for name, placed in current.items()}
    after |= {decision.stream: decision.streamer or "" for decision in decisions}
    return Counter(after.values())


def test_after_a_drain_the_streams_spread_again() -> None:
    decisions = moved(NINE, [A, B, C], ALL_ON_A)
    assert homes(ALL_ON_A, decisions) == {"a": 3, "b": 3, "c": 3}
    assert {(d.previous, d.reason) for d in decisions} == {("a", ChangeReason.BALANCE)}


def test_an_even_load_is_left_alone() -> None:
    current = {"s0": Assignment("a"), "s1": Assignment("a"), "s2": Assignment("b")}
    assert moved(NINE[:3], [A, B], current) == []


def test_no_more_than_asked_for() -> None:
    assert homes(ALL_ON_A, moved(NINE, [A, B], ALL_ON_A, at_most=2)) == {"a": 7, "b": 2}


def test_what_is_bound_stays() -> None:
    bound = [StreamDemand("s0", streamer="a"), StreamDemand("s1", preferred="a")]
    decisions = moved([*bound, *NINE[2:]], [A, B], ALL_ON_A)
    assert {"s0", "s1"}.isdisjoint(d.stream for d in decisions)
    assert homes(ALL_ON_A, decisions) == {"a": 5, "b": 4}


def test_plain_streams_do_not_go_to_a_gpu() -> None:
    assert moved(NINE, [A, StreamerOffer("g", has_gpu=True)], ALL_ON_A) == []


def test_nothing_goes_to_a_streamer_that_leaves_or_is_away() -> None:
    leaving = StreamerOffer("b", draining=True)
    away = StreamerOffer("c", online=False)
    assert moved(NINE, [A, leaving, away], ALL_ON_A) == []


def test_ladders_are_evened_out_and_plain_streams_are_not_moved_for_them() -> None:
    both = [StreamerOffer(name, encoding=Encoding(4000)) for name in "ab"]
    ladders = [StreamDemand(f"l{i}", encoding=Encoding(900)) for i in range(4)]
    plain = [StreamDemand(f"p{i}") for i in range(4)]
    streams = [*ladders, *plain]
    decisions = moved(streams, both, {one.name: Assignment("a") for one in streams})
    assert [d.stream for d in decisions if d.stream.startswith("l")] == ["l0", "l1"]


names = st.sampled_from([f"s{i}" for i in range(12)])
hosts = st.sampled_from("abcd")


@given(
    st.lists(
        st.builds(
            StreamDemand,
            name=names,
            disabled=st.booleans(),
            streamer=st.none() | hosts,
            preferred=st.none() | hosts,
            needs_gpu=st.booleans(),
            bandwidth_kbit=st.sampled_from([0, 1000]),
            encoding=st.builds(Encoding, st.sampled_from([0, 0, 400, 1500])),
        ),
        unique_by=lambda s: s.name,
    ),
    st.lists(
        st.builds(
            StreamerOffer,
            hostname=hosts,
            online=st.booleans(),
            draining=st.booleans(),
            has_gpu=st.booleans(),
            channel_limit=st.integers(1, 6),
            bandwidth_kbit=st.sampled_from([0, 2500]),
            encoding=st.builds(Encoding, st.sampled_from([0, 1000, 4000])),
        ),
        unique_by=lambda s: s.hostname,
    ),
)
def test_invariants(streams: list[StreamDemand], streamers: list[StreamerOffer]) -> None:
    placed = place(streams, streamers, {}, Random(1))
    preferred = {stream.name: stream.preferred for stream in streams}
    current = {d.stream: Assignment(d.streamer, preferred[d.stream]) for d in placed if d.streamer}
    decisions = moved(streams, streamers, current)
    assert all(d.previous == current[d.stream].streamer != d.streamer for d in decisions)
    after = current | {
        d.stream: Assignment(d.streamer, preferred[d.stream]) for d in decisions if d.streamer
    }
    # One that found no room before may find what another one left.
    again = place(streams, streamers, after, Random(2))
    assert all(d.previous is None for d in again), "what was moved stays where it was moved to"
    assert moved(streams, streamers, after) == [], "once is enough"
