"""Whose session is whose, and where a peer is told to go."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from media_streamer.budgets import WEBRTC_ADDRESS_UNCONNECTED
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.hub import Hub
from media_streamer.protocols.webrtc.engine import Resource, WebRtcEngine, hosts_of


@pytest.fixture
def engine() -> WebRtcEngine:
    return WebRtcEngine(Egress(Hub(Path()), worker=3))


def resource(ip: str, srtp: Any = None, name: str = "film") -> Resource:
    connection: Any = SimpleNamespace(srtp=srtp)
    return Resource(name, "session", connection, "them", ip, "tag")


def test_a_session_names_its_worker(engine: WebRtcEngine) -> None:
    own = engine.new_id()
    assert engine.owner(own) is None
    assert engine.owner("7-" + own.partition("-")[2]) == 7
    assert engine.owner("nonsense") is None
    engine.add(own, resource("192.0.2.1"))
    assert engine.find("film", own).ip == "192.0.2.1"
    for name, number in (("other", own), ("film", "3-else")):
        with pytest.raises(AccessDenied, match="over"):
            engine.find(name, number)
    engine.forget(own)
    with pytest.raises(AccessDenied):
        engine.find("film", own)


def test_an_address_cannot_have_all_that_waits(engine: WebRtcEngine) -> None:
    for number in range(WEBRTC_ADDRESS_UNCONNECTED):
        engine.admit("192.0.2.1")
        engine.add(f"a{number}", resource("192.0.2.1"))
        engine.add(f"b{number}", resource("192.0.2.2", srtp=object()))
    with pytest.raises(AccessDenied) as refused:
        engine.admit("192.0.2.1")
    assert refused.value.status == 429
    engine.admit("192.0.2.2")


@pytest.mark.parametrize(
    ("host", "first"),
    [
        ("192.0.2.9:8080", "192.0.2.9"),
        ("[2001:db8::9]:8080", "2001:db8::9"),
        ("192.0.2.9", "192.0.2.9"),
    ],
)
def test_the_address_that_the_peer_knows_is_told(host: str, first: str) -> None:
    assert hosts_of(make_mocked_request("POST", "/a/whep", headers={"Host": host}))[0] == first


@pytest.mark.parametrize("host", ["example.org:80", "", "0.0.0.0:80", "[::]:80", "a b]["])
def test_a_host_that_is_no_address_is_not_told(host: str) -> None:
    found = hosts_of(make_mocked_request("POST", "/a/whep", headers={"Host": host}))
    assert found
    assert all(one.replace(":", "").replace(".", "").isalnum() for one in found)
    assert "0.0.0.0" not in found
