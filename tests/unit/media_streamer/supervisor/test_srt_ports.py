"""Whose SRT port it is, what may be done there, and with which passphrase."""

from typing import Any

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.supervisor.srt_ports import SrtPorts, public_port
from media_streamer.wire.control import Refusal, SrtQuestion, SrtTerms


def server(**options: Any) -> ServerConfig:
    return ServerConfig.model_validate(options)


def stream(name: str, **options: Any) -> StreamConfig:
    return StreamConfig.model_validate({"name": name, "inputs": [{"url": "publish://"}], **options})


def ports(config: ServerConfig, *streams: StreamConfig) -> SrtPorts:
    found = SrtPorts()
    found.set_server(config)
    for one in streams:
        found.put(one)
    return found


SECOND = server(
    srt=9998,
    srt2=9100,
    srt2_publish={"port": 9101, "passphrase": "second publish", "latency": 500},
    srt2_play={"port": 9102, "passphrase": "second play 1"},
)
SHARED = server(
    srt=9998,
    srt_publish={"port": "127.0.0.1:9999", "passphrase": "of the port 1", "latency": 300},
    srt_play={"passphrase": "of the server"},
)
OWN = stream("own", srt=7001, srt_play={"port": 7002, "passphrase": "of its port", "timeout": 5})
PLAIN = stream("plain")
SECRET = stream("secret", srt_play={"passphrase": "of the stream", "enforcedencryption": False})


def terms(
    found: SrtPorts, port: int, name: str = "", mode: Any = "", address: str = ""
) -> SrtTerms | Refusal:
    wanted = found.wanted(SrtQuestion(address, port, name, mode))
    if isinstance(wanted, Refusal):
        return wanted
    meant, stream_name, kind = wanted
    streams = {one.name: one for one in (OWN, PLAIN, SECRET)}
    return found.terms(meant, streams[stream_name], stream_name, kind)


@pytest.mark.parametrize(
    ("port", "name", "mode", "expected"),
    [
        (9998, "plain", "", ("plain", "play", "of the server", None)),
        (9998, "plain", "publish", ("plain", "publish", "", None)),
        (9998, "secret", "play", ("secret", "play", "of the stream", None)),
        (9999, "plain", "", ("plain", "publish", "of the port 1", 300)),
        (7001, "", "publish", ("own", "publish", "", None)),
        (7002, "", "", ("own", "play", "of its port", None)),
        (7002, "own", "play", ("own", "play", "of its port", None)),
    ],
)
def test_the_terms(port: int, name: str, mode: str, expected: tuple[Any, ...]) -> None:
    found = ports(SHARED, OWN, PLAIN, SECRET)
    address = "127.0.0.1" if port == 9999 else ""
    told = terms(found, port, name, mode, address)
    assert isinstance(told, SrtTerms)
    assert (told.name, told.mode, told.passphrase, told.latency) == expected
    assert told.enforced == (name != "secret")
    assert told.timeout == (5 if port == 7002 else None)
    assert told.passphrase not in repr(told) or not told.passphrase


@pytest.mark.parametrize(
    ("port", "mode", "expected"),
    [
        (9100, "play", ("play", "", None)),
        (9100, "publish", ("publish", "", None)),
        (9101, "", ("publish", "second publish", 500)),
        (9102, "", ("play", "second play 1", None)),
    ],
)
def test_the_second_ports_of_the_server(port: int, mode: str, expected: tuple[Any, ...]) -> None:
    """srt2, srt2_publish and srt2_play are ports beside those without a number."""
    told = terms(ports(SECOND, PLAIN), port, "plain", mode)
    assert isinstance(told, SrtTerms)
    assert (told.mode, told.passphrase, told.latency) == expected


@pytest.mark.parametrize(
    ("port", "name", "mode", "words"),
    [
        (9998, "", "play", "names no stream"),
        (9999, "plain", "play", "to publish only"),
        (7002, "", "publish", "to play only"),
        (7001, "plain", "play", "another stream"),
        (1234, "plain", "play", "being closed"),
    ],
)
def test_refusals(port: int, name: str, mode: str, words: str) -> None:
    told = terms(ports(SHARED, OWN, PLAIN, SECRET), port, name, mode, "127.0.0.1")
    assert isinstance(told, Refusal)
    assert words in told.title


def test_the_first_has_the_port_and_the_other_is_named() -> None:
    found = ports(server(srt=9998), stream("a", srt=9998), stream("b", srt_play={"port": 7000}))
    assert [port.port for port in found] == [9998, 7000]
    assert found.problems == ["srt port 9998 of stream a is that of the server already"]
    found.changed = False
    found.put(stream("a", srt=9001))
    assert found.changed
    assert not found.problems
    found.drop("a")
    assert [port.port for port in found] == [9998, 7000]
    found.changed = False
    found.put(stream("c"))
    found.drop("c")
    assert not found.changed


def test_a_disabled_stream_opens_no_port() -> None:
    assert not list(ports(server(), stream("a", srt=9001, disabled=True)))


def test_where_people_find_a_stream() -> None:
    assert public_port(SHARED, PLAIN, "play") == 9998
    assert public_port(SHARED, OWN, "play") == 7001
    assert public_port(server(listeners={"srt": [9000]}), PLAIN, "publish") == 9000
    assert public_port(server(), PLAIN, "play") is None


@pytest.mark.parametrize("spec", [0, 70_000, "x", "10.0.0.1", "10.0.0.1:0", "host:9998", ":"])
def test_what_is_no_port_is_said(spec: int | str) -> None:
    with pytest.raises(ValueError, match=r"port|address|less than|greater than"):
        stream("a", srt=spec)


def test_ports_of_other_listeners_by_udp_are_not_taken() -> None:
    """Also those of the other workers; who loses them is told so."""
    found = SrtPorts()
    found.set_server(server(srt=9000), [("webrtc", (True, "", 9001)), ("webrtc", (True, "", 9002))])
    found.put(stream("a", srt="127.0.0.1:9002"))
    found.put(stream("b", srt=9003))
    assert [port.port for port in found] == [9000, 9003]
    assert found.problems == ["srt port 9002 of stream a is that of webrtc already"]
    found.set_server(server(srt=9000))
    assert [port.port for port in found] == [9000, 9002, 9003]
    assert not found.problems
