"""The thread that waits for sockets: those that call share one UDP port."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import (
    ERR,
    IN,
    OUT,
    SrtMissingError,
    SrtSocket,
    library,
    set_hook,
)


@pytest.fixture
def installed() -> None:
    try:
        library()
    except SrtMissingError as missing:
        pytest.skip(str(missing))


class Caller:
    """Owner of a socket that calls."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()

    def on_messages(self, messages: list[bytes]) -> None:
        raise AssertionError("nobody sends")

    def on_event(self, events: int) -> None:
        assert not events & ERR
        self.connected.set()


@pytest.fixture
def listener(installed: None) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """A port that accepts, and who has called."""
    called: list[tuple[str, int]] = []

    def hook(_: int, address: tuple[str, int], __: str) -> int:
        called.append(address)
        return 0

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        sock = SrtSocket()
        sock.use(udp)
    kept = set_hook(sock, hook)
    assert library().srt_listen(sock.number, 8) >= 0
    yield port, called
    sock.close()
    del kept


async def test_callers_share_a_port(listener: tuple[int, list[tuple[str, int]]]) -> None:
    port, called = listener
    engine = SrtEngine()
    sockets = [SrtSocket() for _ in range(3)]
    callers = [Caller() for _ in sockets]
    try:
        for sock, caller in zip(sockets, callers, strict=True):
            engine.bind_caller(sock, "127.0.0.1")
            sock.connect("127.0.0.1", port)
            engine.add(sock, caller, OUT | ERR | IN, reads=False)
        for caller in callers:
            await asyncio.wait_for(caller.connected.wait(), 30)
        assert len({own for _, own in called}) == 1
        assert len(called) == len(sockets)
    finally:
        for sock in sockets:
            engine.remove(sock)
        engine.close()


async def test_a_port_that_somebody_else_has_now_is_given_up(installed: None) -> None:
    engine = SrtEngine()
    first, second = SrtSocket(), SrtSocket()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))
        engine._caller_ports["0.0.0.0"] = other.getsockname()[1]
        try:
            engine.bind_caller(first, "127.0.0.1")
            engine.bind_caller(second, "127.0.0.1")
            assert engine._caller_ports["0.0.0.0"] != other.getsockname()[1]
        finally:
            first.close()
            second.close()
            engine.close()
