"""Whom a viewer is sent to, by load and by country."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.balancing import Candidate, choose
from media_api.cluster import BalancerConfig

BUSY = Candidate("busy", output_kbit=900, clients=1, streams=9, capacity_kbit=10_000)
FULL = Candidate("full", output_kbit=800, clients=50, streams=2, capacity_kbit=1000)
IDLE = Candidate("idle", output_kbit=700, clients=90, streams=30, capacity_kbit=800)
ALL = (BUSY, FULL, IDLE)


def balancer(mode: str = "bitrate", **servers: dict) -> BalancerConfig:
    named = servers or {"busy": {}, "full": {}, "idle": {}}
    return BalancerConfig.parse(
        {"name": "lb", "mode": mode, "servers": [{"name": k, **v} for k, v in named.items()]}
    )


@pytest.mark.parametrize(
    ("mode", "chosen"),
    [("bitrate", "idle"), ("clients", "busy"), ("streams", "full"), ("usage", "busy")],
)
def test_modes(mode: str, chosen: str) -> None:
    found = choose(ALL, balancer(mode))
    assert found is not None
    assert found.hostname == chosen


def test_only_servers_that_are_named_and_not_full_get_viewers() -> None:
    assert choose(ALL, balancer(busy={})) == BUSY
    assert choose(ALL, balancer(busy={"max_bitrate": 900_000}, full={})) == FULL
    assert choose(ALL, balancer(busy={"max_bitrate": 900_000})) is None
    assert choose(ALL, balancer(other={})) is None
    assert choose([], balancer()) is None


def test_usage_is_the_share_of_the_limit_that_is_said() -> None:
    rules = {"busy": {"max_bitrate": "1M"}, "full": {"max_bitrate": "100M"}}
    assert choose(ALL, balancer("usage", **rules)) == FULL


@pytest.mark.parametrize(
    ("country", "chosen"),
    [("DE", "busy"), ("FR", "full"), ("US", "idle"), ("", "idle")],
)
def test_countries(country: str, chosen: str) -> None:
    rules = {
        "busy": {"countries": ["de", "AT"]}, "full": {"countries": ["FR"]},
        "idle": {"countries_default": True},
    }  # fmt: skip
    found = choose(ALL, balancer(**rules), country)
    assert found is not None
    assert found.hostname == chosen


def test_nobody_takes_a_country_that_no_server_names() -> None:
    assert choose(ALL, balancer(busy={"countries": ["DE"]}), "US") is None
    both = balancer(busy={"countries": ["DE"], "countries_default": True})
    assert choose(ALL, both, "US") == BUSY


candidates = st.builds(
    Candidate,
    st.sampled_from("abcd"),
    output_kbit=st.integers(0, 100),
    clients=st.integers(0, 100),
    streams=st.integers(0, 100),
    capacity_kbit=st.integers(0, 100),
)


@given(
    st.lists(candidates, unique_by=lambda one: one.hostname),
    st.sampled_from(["bitrate", "clients", "streams", "usage"]),
    st.sampled_from(["", "DE", "FR"]),
)
def test_the_chosen_one_is_a_candidate_that_may(
    found: list[Candidate], mode: str, country: str
) -> None:
    rules = {"a": {"countries": ["DE"]}, "b": {"max_bitrate": 50_000}, "c": {}}
    chosen = choose(found, balancer(mode, **rules), country)
    may = [
        one
        for one in found
        if one.hostname in rules
        and (one.hostname != "a" or country == "DE")
        and (one.hostname != "b" or one.output_kbit < 50)
    ]
    assert (chosen in may) if may else chosen is None
