"""Who is behind a proxy, and who only says so."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.rest.address import client_of

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("chain", "peer", "client"),
    [
        ("", "192.0.2.1", "192.0.2.1"), ("198.51.100.7", "192.0.2.1", "192.0.2.1"),
        ("198.51.100.7", "10.0.0.1", "198.51.100.7"),
        ("198.51.100.7", "::ffff:10.0.0.1", "198.51.100.7"),
        ("1.1.1.1, 198.51.100.7", "10.0.0.1", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.2", "10.0.0.1", "198.51.100.7"), ("x", "10.0.0.1", "10.0.0.1"),
        ("198.51.100.7, x", "10.0.0.1", "10.0.0.1"), ("2001:db8::1", "fd00::1", "2001:db8::1"),
        ("10.0.0.9", "10.0.0.1", "10.0.0.9"), ("198.51.100.7", "", ""),
    ],
)  # fmt: skip
def test_clients(chain: str, peer: str, client: str) -> None:
    assert client_of(chain, peer, TRUSTED) == client


@given(st.text(), st.text())
def test_a_stranger_is_whoever_connected(chain: str, peer: str) -> None:
    assert client_of(chain, "192.0.2.1", TRUSTED) == "192.0.2.1"
    assert client_of(chain, peer, ()) == peer
