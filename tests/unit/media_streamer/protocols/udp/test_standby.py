"""Whether somebody else sends to a group, with real datagrams on the loopback interface."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
from media_streamer.outgoing.dial import Place
from media_streamer.protocols.udp import standby
from media_streamer.protocols.udp.push import UdpUrl, is_group, open_socket
from media_streamer.protocols.udp.standby import Standby

from tests.support.ports import free_port

GROUP, HERE = "239.255.31.9", "127.0.0.1"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(standby, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(standby, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(standby, "SPREAD_SECONDS", 0.01)
    number = free_port(socket.SOCK_DGRAM)
    return (socket.AF_INET, socket.SOCK_DGRAM, 0, (GROUP, number))


@contextlib.contextmanager
def sender(place: Place) -> Iterator[socket.socket]:
    url = UdpUrl(GROUP, place[3][1], HERE, 0)
    with open_socket(url, place[3], socket.AF_INET, loop_back=True) as one:
        yield one


async def test_another_sender_is_heard_and_our_own_is_not(place: Place) -> None:
    with Standby(place, HERE) as one, sender(place) as own, sender(place) as other:
        one.own = own.getsockname()
        free = asyncio.create_task(one.free())
        for _ in range(30):
            own.send(b"ours")
            other.send(b"theirs")
            await asyncio.sleep(0.01)
            assert not free.done()
        async with asyncio.timeout(10):
            await free
        taken = asyncio.create_task(one.taken())
        for _ in range(10):
            own.send(b"ours")
            await asyncio.sleep(0.01)
        assert not taken.done()
        other.send(b"theirs")
        async with asyncio.timeout(10):
            await taken


def test_only_groups_can_be_heard(place: Place) -> None:
    assert is_group(place)
    assert is_group((socket.AF_INET6, socket.SOCK_DGRAM, 0, ("ff15::1%lo", 1)))
    assert not is_group((socket.AF_INET, socket.SOCK_DGRAM, 0, (HERE, 1)))
    with pytest.raises(OSError, match=r"No such device|no interface"):
        Standby(place, "nowhere0")
