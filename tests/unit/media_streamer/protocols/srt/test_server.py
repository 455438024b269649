"""How many peers an SRT port has, of an address and in all, and how long those may take."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from media_streamer.egress.context import Egress
from media_streamer.egress.hub import Hub
from media_streamer.protocols.srt import server as module
from media_streamer.protocols.srt.server import SrtServer
from media_streamer.wire.control import AccessRequest, DatagramsDropped, SrtTerms

from tests.support.srt_packets import conclusion
from tests.support.streamer import until

FULL = 4
OURS, OTHER = "192.0.2.1", "192.0.2.2"


class SlowHub:
    """Everybody may; whether he does nobody decides in time."""

    def __init__(self) -> None:
        self.given_up: list[str] = []
        self.dropped: list[int] = []

    async def ask(self, question: object) -> SrtTerms:
        return SrtTerms("live", "publish", "", None, None, False, "")

    async def access(self, request: AccessRequest) -> Any:
        await asyncio.Event().wait()

    def notify(self, told: DatagramsDropped) -> None:
        self.dropped.append(told.count)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SrtServer]:
    monkeypatch.setattr(module, "SRT_ADDRESS_CONNECTIONS", FULL)
    monkeypatch.setattr(module, "SRT_CONNECTIONS", 2 * FULL)
    monkeypatch.setattr(module, "DROPS_SECONDS", 0.05)
    monkeypatch.setattr(module, "DECIDE_SECONDS", 0.001)
    monkeypatch.setattr(module, "SRT_HANDSHAKE_SECONDS", 0.3)
    monkeypatch.setattr(module.libsrt, "set_option", lambda *_: None)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    one = SrtServer(Egress(cast(Hub, SlowHub())), sock)
    try:
        yield one
    finally:
        one.close()


async def come(server: SrtServer, numbers: range, address: str) -> list[int]:
    """What libsrt is told of peers who begin a handshake and say no more."""

    def all_of_them() -> list[int]:
        text = "#!::r=live,m=publish"
        return [server._look_at(number, (address, number), text) for number in numbers]

    return await asyncio.to_thread(all_of_them)


async def test_an_address_has_a_part_of_the_port_and_the_port_an_end(server: SrtServer) -> None:
    assert await come(server, range(100, 106), OURS) == [0] * FULL + [503] * 2
    assert await come(server, range(200, 206), OTHER) == [0] * FULL + [503] * 2
    assert len(server._peers) == 2 * FULL
    assert await come(server, range(300, 302), "192.0.2.3") == [503] * 2

    async def none_waits() -> bool:
        return not server._peers

    await until(none_waits, "who trickles loses his place in time", 10)
    assert await come(server, range(400, 402), OURS) == [0, 0]


async def test_loopback_has_all_of_the_port(server: SrtServer) -> None:
    assert await come(server, range(100, 110), "127.0.0.1") == [0] * 2 * FULL + [503] * 2


@pytest.mark.parametrize(("said", "most"), [("6", 6), ("", FULL), ("0", FULL), ("many", FULL)])
async def test_who_has_many_behind_one_address_says_so(
    server: SrtServer, monkeypatch: pytest.MonkeyPatch, caplog: Any, said: str, most: int
) -> None:
    monkeypatch.setenv("STREAMER_SRT_ADDRESS_CONNECTIONS", said)
    caplog.set_level("INFO")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    own = SrtServer(server._egress, sock)
    try:
        assert await come(own, range(100, 108), OURS) == [0] * most + [503] * (8 - most)
    finally:
        own.close()
    assert (f"={said!r} is no number" in caplog.text) == (said in ("0", "many"))
    assert "STREAMER_SRT_ADDRESS_CONNECTIONS" in caplog.text, "the refusal names the way out"


async def test_what_is_not_let_in_is_counted_and_said(server: SrtServer, caplog: Any) -> None:
    """The filter drops in silence; the kernel's count of the socket tells."""
    hub = cast(SlowHub, server._egress.hub)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hostile:

        async def flood(count: int) -> None:
            before = sum(hub.dropped)
            for _ in range(count):
                hostile.sendto(conclusion(7, 60, 8192), ("127.0.0.1", server._port))

            async def told() -> bool:
                return sum(hub.dropped) == before + count

            await until(told, "the supervisor is told", 10)

        caplog.set_level("INFO")
        await flood(7)
        await flood(3)
    lines = [line for line in caplog.messages if "found no room or were refused" in line]
    assert len(lines) == 1, "one a minute"
    assert lines[0].startswith(f"srt port {server._port}: ")
