"""Ports are probed before the workers share them."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_api.server import Listeners
from media_streamer.egress.listeners import load_certificate
from media_streamer.supervisor.listeners import (
    Port,
    listener_specs,
    port_of,
    probe,
)

from tests.support.certificates import make_chain
from tests.support.ports import free_port


@pytest.fixture
def occupied() -> Iterator[int]:
    """A port of another program, which would even share it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", ""])
def test_an_occupied_port_is_named(occupied: int, address: str) -> None:
    port = Port("http", address, occupied)
    problems = probe([port])
    assert str(occupied) in problems[port]
    assert "in use" in problems[port]


def test_a_free_port_is_left_free() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        number = sock.getsockname()[1]
    assert probe([Port("http", "127.0.0.1", number)]) == {}
    assert probe([Port("http", "127.0.0.1", number)]) == {}


def test_what_cannot_be_had() -> None:
    strange = Port("http", "192.0.2.1", 18080)
    assert "does not have the address" in probe([strange])[strange]
    twice = [Port("http", "127.0.0.1", 18081), Port("rtmp", "127.0.0.1", 18081)]
    assert "asked for by http" in probe(twice)[twice[1]]


def test_workers_are_told_what_they_need() -> None:
    listeners = Listeners.model_validate(
        {
            "http": [80, {"port": 81, "api": False}],
            "https": ["10.0.0.1:443"],
            "rtmps": [{"port": 444, "certificate": "own.crt", "certificate_key": "/k"}],
            "snmp": [161],
        }
    )
    specs = {port_of(item): item for item in listener_specs(listeners, Path("/etc/conf"))}
    assert specs.keys() == {
        Port("http", "", 80),
        Port("http", "", 81),
        Port("https", "10.0.0.1", 443),
        Port("rtmps", "", 444),
    }
    assert specs[Port("http", "", 80)].api
    assert not specs[Port("http", "", 81)].api
    https = specs[Port("https", "10.0.0.1", 443)]
    assert https.certificate == "/etc/flussonic/streamer.crt"
    own = specs[Port("rtmps", "", 444)]
    assert (own.certificate, own.certificate_key) == ("/etc/conf/own.crt", "/k")
    assert listener_specs(None, Path("/")) == []


def test_certificates_go_to_the_workers_as_text(tmp_path: Path) -> None:
    make_chain(tmp_path)
    port = {"port": 443, "certificate": "streamer.crt", "certificate_key": "streamer.key"}
    listeners = Listeners.model_validate({"https": [port]})
    (before,) = listener_specs(listeners, tmp_path)
    assert before.certificate in (tmp_path / "streamer.crt").read_text()
    assert "PRIVATE KEY" in before.certificate_key
    assert before.certificate_chain.count("BEGIN CERTIFICATE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_certificate(context, before)
    assert context.cert_store_stats()["x509"] == before.certificate_chain.count("BEGIN")
    make_chain(tmp_path)
    assert listener_specs(listeners, tmp_path) != [before], "a renewed one is told to them"


def test_udp_ports_are_probed_for_every_worker() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Below the ports of outgoing connections: one of TCP could have the same number.
        number = free_port(socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", number))
        busy = Port("turn", "127.0.0.1", number)
        assert "in use" in probe([busy], workers=2)[busy]
        # TCP and UDP have ports of their own.
        assert probe([Port("http", "127.0.0.1", number)]) == {}
