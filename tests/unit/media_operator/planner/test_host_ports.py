"""Ports of nodes that pools are given: no number twice, and none that changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_operator.settings import Settings

from ..simulation import Simulation

ALL = ["http", "rtmp", "rtsp", "srt"]
FIRST = 20_000


def ports(cluster: Simulation, name: str) -> dict[str, int]:
    return dict(cluster.status(name, "Streamer").get("hostPorts") or {})


def opened(cluster: Simulation, name: str) -> dict[str, int]:
    """Of the node, by the container's."""
    body = cluster.objects["StatefulSet", "ns", f"streamer-{name}"]
    found = body["spec"]["template"]["spec"]["containers"][0]["ports"]
    return {port["name"]: port["hostPort"] for port in found if "hostPort" in port}


def test_each_pool_has_its_own_and_keeps_them() -> None:
    cluster = Simulation()
    cluster.create("Streamer", "b", {"hostPorts": {"allot": ALL}})
    cluster.settle()
    assert ports(cluster, "b") == opened(cluster, "b")
    assert sorted(ports(cluster, "b").values()) == list(range(FIRST, FIRST + 4))
    cluster.create("Streamer", "a", {"hostPorts": {"allot": ["rtmp"], "rtsp": 554}})
    cluster.settle()
    assert ports(cluster, "a") == {"rtmp": FIRST + 4}
    assert opened(cluster, "a") == {"rtmp": FIRST + 4, "rtsp": 554}
    before = ports(cluster, "b")
    cluster.delete("Streamer", "a")
    cluster.settle()
    assert ports(cluster, "b") == before


def test_viewers_are_told_the_ports() -> None:
    cluster = Simulation()
    cluster.create("Streamer", "pool", {"hostPorts": {"allot": ["http", "rtmp"]}})
    cluster.create("Stream", "s", {"inputs": [{"url": "fake://fake"}]})
    cluster.settle()
    urls = cluster.status("s")["urls"]
    found = ports(cluster, "pool")
    assert urls["hls"].startswith(f"http://192.0.2.1:{found['http']}/")
    assert f":{found['rtmp']}/" in urls["rtmp"]


def test_a_number_that_somebody_names_is_given_up() -> None:
    cluster = Simulation()
    cluster.create("Streamer", "pool", {"hostPorts": {"allot": ["rtmp"]}})
    cluster.settle()
    cluster.create("Streamer", "other", {"hostPort": FIRST})
    cluster.settle()
    assert ports(cluster, "pool") == {"rtmp": FIRST + 1}
    cluster.edit("Streamer", "pool", hostPorts={})
    cluster.settle()
    assert ports(cluster, "pool") == {}


def test_a_listener_without_a_number_names_none() -> None:
    """As clients write that merge nothing into something."""
    cluster = Simulation()
    cluster.create("Streamer", "pool", {"hostPorts": {"rtmp": None, "allot": ["rtmp"]}})
    cluster.settle()
    assert ports(cluster, "pool") == opened(cluster, "pool") == {"rtmp": FIRST}


def test_where_none_is_left_there_is_none() -> None:
    cluster = Simulation(Settings(namespace="ns", host_ports=range(7000, 7001)))
    cluster.create("Streamer", "pool", {"hostPorts": {"allot": ["rtmp", "rtsp"]}})
    cluster.settle()
    assert ports(cluster, "pool") == {"rtmp": 7000}
    assert cluster.condition("pool", "Ready", "Streamer") == ("False", "NoHostPort")
    assert "rtsp" in cluster.message("pool", "Ready", "Streamer")


POOLS = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.sampled_from(ALL), unique=True), max_size=4
)


@given(POOLS, POOLS, st.integers(FIRST, FIRST + 6))
def test_no_number_twice_and_no_write_at_rest(
    first: dict[str, list[str]], then: dict[str, list[str]], named: int
) -> None:
    cluster = Simulation()
    cluster.create("Streamer", "named", {"hostPort": named})
    for state in (first, then):
        for name in {key[2] for key in cluster.objects if key[0] == "Streamer"} - {"named"}:
            if name not in state:
                cluster.delete("Streamer", name)
        for name, wanted in state.items():
            spec: dict[str, Any] = {"hostPorts": {"allot": wanted}}
            if ("Streamer", "ns", name) in cluster.objects:
                cluster.edit("Streamer", name, **spec)
            else:
                cluster.create("Streamer", name, spec)
        cluster.settle()
        numbers = [named, *(port for name in state for port in ports(cluster, name).values())]
        assert len(numbers) == len(set(numbers))
        assert {name: set(ports(cluster, name)) for name in state} == {
            name: set(wanted) for name, wanted in state.items()
        }
        cluster.see()
        assert not cluster.plan().writes


@pytest.mark.parametrize(("text", "first"), [("", FIRST), ("7000-7009", 7000)])
def test_the_range_is_a_setting(text: str, first: int) -> None:
    assert Settings.from_environ({"HOST_PORTS": text}).host_ports[0] == first


@pytest.mark.parametrize("text", ["7000", "9-8", "a-b", "0-5", "1-70000"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FIRST-LAST"):
        Settings.from_environ({"HOST_PORTS": text})
