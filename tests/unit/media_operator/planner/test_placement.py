"""Placement: examples of each rule, and its invariants as properties."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_operator.planner import (
    Assignment,
    ChangeReason,
    Decision,
    StreamDemand,
    StreamerOffer,
    place,
)
from media_operator.planner.encoding import Encoding
from media_operator.planner.placement import misfit

A, B, C = StreamerOffer("a"), StreamerOffer("b"), StreamerOffer("c")


def plan(
    streams: list[StreamDemand],
    streamers: list[StreamerOffer],
    current: dict[str, Assignment] | None = None,
) -> list[Decision]:
    return place(streams, streamers, current or {}, Random(1))


def test_new_streams_spread_evenly() -> None:
    decisions = plan([StreamDemand(f"s{i}") for i in range(30)], [A, B, C])
    assert Counter(d.streamer for d in decisions) == {"a": 10, "b": 10, "c": 10}


def test_share_of_the_channel_limit_decides_not_the_count() -> None:
    small = StreamerOffer("small", channel_limit=10)
    large = StreamerOffer("large", channel_limit=90)
    decisions = plan([StreamDemand(f"s{i}") for i in range(50)], [small, large])
    assert Counter(d.streamer for d in decisions) == {"small": 5, "large": 45}


def test_preferred_streamer_wins_while_it_has_room() -> None:
    streams = [StreamDemand(f"s{i}", preferred="a") for i in range(3)]
    decisions = plan(streams, [StreamerOffer("a", channel_limit=2), B])
    assert [d.streamer for d in decisions] == ["a", "a", "b"]


def test_dead_streamer_loses_its_streams_and_a_returning_one_does_not_get_them_back() -> None:
    stream, current = StreamDemand("s"), {"s": Assignment("a")}
    down = StreamerOffer("a", online=False)
    assert plan([stream], [down, B], current) == [
        Decision("s", "b", "a", ChangeReason.OFFLINE),
    ]
    assert plan([stream], [A, B], {"s": Assignment("b")}) == []


def test_returning_preferred_streamer_does_not_take_its_stream_back() -> None:
    stream = StreamDemand("s", preferred="a")
    assert plan([stream], [A, B], {"s": Assignment("b", preferred="a")}) == []


def test_edited_preference_moves_the_stream_if_there_is_room() -> None:
    current = {"s": Assignment("b")}
    stream = StreamDemand("s", preferred="a")
    assert plan([stream], [A, B], current) == [Decision("s", "a", "b", ChangeReason.PREFERRED)]
    assert plan([stream], [StreamerOffer("a", channel_limit=0), B], current) == []


def test_draining_streamer_is_left() -> None:
    decisions = plan(
        [StreamDemand("s")], [StreamerOffer("a", draining=True), B], {"s": Assignment("a")}
    )
    assert decisions == [Decision("s", "b", "a", ChangeReason.DRAINING)]


def test_nothing_fits_says_why_and_keeps_the_assignment_to_a_dead_streamer() -> None:
    down = StreamerOffer("a", online=False)
    [decision] = plan([StreamDemand("s")], [down], {"s": Assignment("a")})
    assert decision.streamer == "a"
    assert decision.message == "0/1 streamers available: 1 offline"


def test_gpu_stream_waits_with_a_clear_reason() -> None:
    [decision] = plan([StreamDemand("s", needs_gpu=True)], [A, B])
    assert decision.streamer is None
    assert decision.message == "0/2 streamers available: 2 without a GPU"
    [decision] = plan([StreamDemand("s", needs_gpu=True)], [A, StreamerOffer("g", has_gpu=True)])
    assert decision.streamer == "g"


def test_plain_streams_leave_gpus_alone_while_others_have_room() -> None:
    gpu = StreamerOffer("g", has_gpu=True)
    busy = StreamerOffer("a", channel_limit=4)
    decisions = plan([StreamDemand(f"s{i}") for i in range(6)], [gpu, busy])
    assert Counter(d.streamer for d in decisions) == {"a": 4, "g": 2}
    assert plan([StreamDemand("s")], [gpu, A], {"s": Assignment("g")}) == [], "it stays"


def test_no_streamer_at_all() -> None:
    [decision] = plan([StreamDemand("s")], [])
    assert (decision.streamer, decision.message) == (None, "there is no streamer")


def test_disabled_stream_is_taken_off_once() -> None:
    stream = StreamDemand("s", disabled=True)
    assert plan([stream], [A], {"s": Assignment("a")}) == [
        Decision("s", None, "a", ChangeReason.DISABLED)
    ]
    assert plan([stream], [A]) == []


def test_pinned_stream_goes_nowhere_else() -> None:
    [decision] = plan([StreamDemand("s", streamer="z")], [A, B])
    assert decision.streamer is None
    assert "not the streamer that the stream names" in decision.message


def test_a_pool_can_be_named_in_place_of_a_streamer() -> None:
    pool = [StreamerOffer(f"edge-{i}", pool="edge") for i in range(2)]
    decisions = plan([StreamDemand(f"s{i}", streamer="edge") for i in range(4)], [A, *pool])
    assert Counter(d.streamer for d in decisions) == {"edge-0": 2, "edge-1": 2}
    decisions = plan([StreamDemand(f"s{i}", preferred="edge") for i in range(4)], [A, *pool])
    assert Counter(d.streamer for d in decisions) == {"edge-0": 2, "edge-1": 2}
    assert (
        plan([StreamDemand("s", preferred="edge")], [A, *pool], {"s": Assignment("edge-1")}) == []
    )


def test_bandwidth_is_counted() -> None:
    streamers = [StreamerOffer("a", bandwidth_kbit=5000), StreamerOffer("b", bandwidth_kbit=5000)]
    decisions = plan([StreamDemand(f"s{i}", bandwidth_kbit=3000) for i in range(3)], streamers)
    assert [d.streamer is None for d in decisions] == [False, False, True]
    assert "2 at their bandwidth limit" in decisions[2].message


def test_a_stream_that_cannot_go_where_it_prefers_keeps_its_room() -> None:
    full = StreamerOffer("full", channel_limit=1)
    away = StreamerOffer("away", online=False)
    [decision] = plan(
        [StreamDemand("new"), StreamDemand("old", preferred="away")],
        [full, away],
        {"old": Assignment("full")},
    )
    assert (decision.stream, decision.streamer) == ("new", None)


LADDER = Encoding(millicores=900)


def test_ladders_fill_the_cores_of_a_streamer_and_the_rest_is_told_why() -> None:
    streamers = [StreamerOffer(name, encoding=Encoding(2000)) for name in "ab"]
    decisions = plan([StreamDemand(f"s{i}", encoding=LADDER) for i in range(5)], streamers)
    assert Counter(d.streamer for d in decisions) == {"a": 2, "b": 2, None: 1}
    assert decisions[-1].message == (
        "0/2 streamers available: 2 without CPU left for its transcoder"
    )
    plain = StreamDemand("z")
    [*_, last] = plan(
        [*(StreamDemand(f"s{i}", encoding=LADDER) for i in range(4)), plain], streamers
    )
    assert last.streamer is not None, "a stream without a ladder has room"


@pytest.mark.parametrize(
    ("each", "has", "word"),
    [
        (Encoding(gpu_permille=400), Encoding(gpu_permille=1000), "GPU left"),
        (Encoding(sessions=3), Encoding(sessions=8), "GPU sessions left"),
        (Encoding(gpu_mib=900), Encoding(gpu_mib=2000), "GPU memory left"),
    ],
)
def test_cards_are_filled_by_encoder_sessions_and_memory(
    each: Encoding, has: Encoding, word: str
) -> None:
    card = StreamerOffer("g", has_gpu=True, encoding=has)
    ladders = [StreamDemand(f"s{i}", needs_gpu=True, encoding=each) for i in range(3)]
    first, second, third = plan(ladders, [card])
    assert (first.streamer, second.streamer, third.streamer) == ("g", "g", None)
    assert f"1 without {word}" in third.message


def test_an_estimate_moves_nothing_and_refuses_no_ladder_a_streamer_of_its_own() -> None:
    small = [StreamerOffer(name, encoding=Encoding(500)) for name in "ab"]
    ladders = [StreamDemand(f"s{i}", encoding=LADDER) for i in range(3)]
    assert Counter(d.streamer for d in plan(ladders, small)) == {"a": 1, "b": 1, None: 1}
    everything = {f"s{i}": Assignment("a") for i in range(3)}
    assert plan(ladders, small, everything) == []


def test_a_ladder_that_uses_what_there_is_takes_the_card_where_there_is_one() -> None:
    by_card = Encoding(100, 200, 2, 500)
    stream = StreamDemand("s", encoding=LADDER, encoding_by_gpu=by_card)
    plain, card = StreamerOffer("p"), StreamerOffer("g", has_gpu=True)
    assert (stream.takes_of(plain), stream.takes_of(card)) == (LADDER, by_card)


def test_room_that_is_left_by_who_goes_where_he_prefers_is_taken() -> None:
    full, better = StreamerOffer("full", channel_limit=1), StreamerOffer("better", channel_limit=1)
    streams = [
        StreamDemand("a", streamer="full"),
        StreamDemand("m", preferred="better"),
        StreamDemand("z", streamer="full"),
    ]
    decisions = plan(streams, [full, better], {"m": Assignment("full")})
    assert {d.stream: d.streamer for d in decisions} == {"a": None, "m": "better", "z": "full"}


def test_the_least_loaded_is_found_by_ladders_too() -> None:
    streamers = [StreamerOffer(name, encoding=Encoding(4000)) for name in "ab"]
    ladder = StreamDemand("old", encoding=LADDER)
    [decision] = plan([ladder, StreamDemand("new")], streamers, {"old": Assignment("a")})
    assert decision.streamer == "b"


hostnames = st.sampled_from("abcdef")
encodings = st.builds(
    Encoding,
    millicores=st.sampled_from([0, 400, 1500]),
    gpu_permille=st.sampled_from([0, 300]),
    sessions=st.integers(0, 3),
    gpu_mib=st.sampled_from([0, 700]),
)
capacities = st.builds(
    Encoding,
    millicores=st.sampled_from([0, 1000, 4000]),
    gpu_permille=st.sampled_from([0, 1000]),
    sessions=st.sampled_from([0, 5]),
    gpu_mib=st.sampled_from([0, 1500]),
)
labels = st.dictionaries(st.sampled_from(["zone", "rack"]), st.sampled_from("12"), max_size=2)
demands = st.builds(
    StreamDemand,
    name=st.sampled_from([f"s{i}" for i in range(12)]),
    disabled=st.booleans(),
    streamer=st.none() | hostnames,
    preferred=st.none() | hostnames,
    required_labels=labels,
    needs_gpu=st.booleans(),
    bandwidth_kbit=st.sampled_from([0, 1000]),
    encoding=encodings,
    encoding_by_gpu=st.none() | encodings,
)
offers = st.builds(
    StreamerOffer,
    hostname=hostnames,
    pool=st.sampled_from(["", "a", "pool"]),
    online=st.booleans(),
    draining=st.booleans(),
    labels=labels,
    has_gpu=st.booleans(),
    channel_limit=st.integers(0, 4),
    bandwidth_kbit=st.sampled_from([0, 2500]),
    encoding=capacities,
)


def applied(
    streams: list[StreamDemand], current: dict[str, Assignment], decisions: list[Decision]
) -> dict[str, Assignment]:
    preferred = {stream.name: stream.preferred for stream in streams}
    after = {name: placed for name, placed in current.items() if name in preferred}
    for decision in decisions:
        if decision.streamer is None:
            after.pop(decision.stream, None)
        else:
            after[decision.stream] = Assignment(decision.streamer, preferred[decision.stream])
    return after


@given(
    st.lists(demands, unique_by=lambda s: s.name),
    st.lists(offers, unique_by=lambda s: s.hostname),
    st.dictionaries(
        st.sampled_from([f"s{i}" for i in range(12)]),
        st.builds(Assignment, hostnames, st.none() | hostnames),
    ),
    st.integers(),
)
def test_invariants(
    streams: list[StreamDemand],
    streamers: list[StreamerOffer],
    current: dict[str, Assignment],
    seed: int,
) -> None:
    decisions = place(streams, streamers, current, Random(seed))
    by_host = {offer.hostname: offer for offer in streamers}
    by_name = {stream.name: stream for stream in streams}
    assert len({d.stream for d in decisions}) == len(decisions)
    after = applied(streams, current, decisions)
    for decision in decisions:
        if decision.streamer is not None and decision.streamer != decision.previous:
            assert misfit(by_name[decision.stream], by_host[decision.streamer]) is None
        if decision.streamer in (None, decision.previous):
            assert decision.message or decision.reason is ChangeReason.DISABLED
    running = Counter(
        placed.streamer
        for name, placed in after.items()
        if placed.streamer in by_host and misfit(by_name[name], by_host[placed.streamer]) is None
    )
    for hostname, count in running.items():
        assert count <= by_host[hostname].channel_limit
    for target in {d.streamer for d in decisions if d.streamer not in (None, d.previous)}:
        assert target is not None
        ladders = [
            by_name[name].takes_of(by_host[target])
            for name, placed in after.items()
            if placed.streamer == target and name in by_name and not by_name[name].disabled
        ]
        newest = [
            by_name[d.stream].takes_of(by_host[target]) for d in decisions if d.streamer == target
        ]
        for has, of_all, of_new in zip(
            by_host[target].encoding,
            zip(*ladders, strict=True),
            zip(*newest, strict=True),
            strict=True,
        ):
            alone = sum(map(bool, of_all)) == 1
            assert not has or not any(of_new) or alone or sum(of_all) <= has, "added beyond it"
    again = place(streams, streamers, after, Random(seed + 1))
    assert all(d.streamer in (None, d.previous) for d in again), "a second plan moves something"
