"""`udp://` of a push: its URL, and what goes out."""

import asyncio
import math
import socket
from typing import cast

import pytest
from media_streamer.egress.jobs import TOO_SLOW, Work
from media_streamer.protocols.udp import push
from media_streamer.protocols.udp.push import (
    CALM_WRITES,
    DATAGRAM_BYTES,
    DEFAULT_TTL,
    UdpSender,
    UdpUrl,
    open_socket,
)
from media_streamer.wire.control import Job


def test_urls() -> None:
    assert UdpUrl.of("udp://239.0.0.1:5000") == UdpUrl("239.0.0.1", 5000, "", DEFAULT_TTL)
    assert UdpUrl.of("udp://eth2@239.0.0.1:5000?ttl=3").interface == "eth2"
    assert UdpUrl.of("udp://239.0.0.1:5000/10.0.0.5").interface == "10.0.0.5"
    assert UdpUrl.of("udp://[ff15::1]:5000").host == "ff15::1"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("udp://host", "port"),
        ("udp://:1", "address"),
        ("udp://host:99999", "no number"),
        ("udp://host:1?ttl=256", "ttl"),
        ("udp://host:1?ttl=x", "ttl"),
        ("udp://host:1?pkt_size=1316", "pkt_size"),
    ],
)
def test_what_cannot_be_is_said(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        UdpUrl.of(url)


async def test_an_error_is_told_while_it_holds() -> None:
    """The port is closed for a while: refusals are the push's error until there are none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url, job = UdpUrl("127.0.0.1", port, "", DEFAULT_TTL), work()
    place = ("127.0.0.1", port)
    sender = UdpSender(open_socket(url, place, socket.AF_INET, loop_back=False), job)
    data = bytes(DATAGRAM_BYTES)
    async with asyncio.timeout(30):
        while not job.error:
            sender.write(data)
            await asyncio.sleep(0.001)
        assert job.error == "Connection refused"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(place)
            while job.error:
                sender.write(data)
                await asyncio.sleep(0.001)
    sender.abort()


async def test_what_others_told_of_a_push_is_not_taken_back_by_its_sender() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        place, job = receiver.getsockname(), work()
        sender = UdpSender(
            open_socket(UdpUrl(*place, "", DEFAULT_TTL), place, socket.AF_INET, loop_back=False),
            job,
        )
        job.lags(True)
        for _ in range(CALM_WRITES + 2):
            sender.write(bytes(DATAGRAM_BYTES))
        assert job.error == TOO_SLOW
        sender._calm.broken("network is unreachable")
        assert job.error == "network is unreachable", "it is worse"
        for _ in range(CALM_WRITES + 1):
            sender.write(bytes(DATAGRAM_BYTES))
        assert job.error == ""
        job.lags(False)
        assert job.error == TOO_SLOW, "it still is"
        sender.abort()


def work() -> Work:
    return Work(Job("1", "live", "udp", "push", "a push", b"{}", 1, 1))


async def test_datagrams_are_full_but_the_last_and_spread() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        url = UdpUrl("127.0.0.1", receiver.getsockname()[1], "", DEFAULT_TTL)
        place = ("127.0.0.1", url.port)
        sender = UdpSender(open_socket(url, place, socket.AF_INET, loop_back=False), work())
        data = b"".join(bytes([n]) * 188 for n in range(20 * 7 + 3))
        sender.write(data)
        assert sender.get_write_buffer_size() == 12 * DATAGRAM_BYTES + 3 * 188  # two runs went
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            received = [await loop.sock_recv(receiver, 4096) for _ in range(21)]
        assert b"".join(received) == data
        assert [len(one) for one in received] == [*[DATAGRAM_BYTES] * 20, 3 * 188]
        sender.abort()


class Numbered:
    """A head before each datagram."""

    head_bytes = 2

    def __init__(self) -> None:
        self._count = 0

    def seal(self, datagram: bytes) -> bytes:
        self._count += 1
        return self._count.to_bytes(2) + datagram


@pytest.mark.parametrize("sealed", [False, True])
async def test_the_end_of_a_picture_waits_for_no_other(sealed: bool) -> None:
    """Also where those that wait leave in one call of the kernel, which cuts them by one size."""
    here, head = ("127.0.0.1", 0), 2 if sealed else 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(here)
        receiver.setblocking(False)
        place = receiver.getsockname()
        url = UdpUrl(place[0], place[1], "", DEFAULT_TTL)
        sock = open_socket(url, place, socket.AF_INET, loop_back=False)
        sender = UdpSender(sock, work(), Numbered() if sealed else None)
        pictures = [bytes([n]) * 188 * count for n, count in enumerate((60, 9, 1, 14, 33))]
        for picture in pictures:
            sender.write(picture)
        loop, received = asyncio.get_running_loop(), list[bytes]()
        async with asyncio.timeout(30):
            while sum(len(one) - head for one in received) < sum(map(len, pictures)):
                received.append(await loop.sock_recv(receiver, 4096))
        assert b"".join(one[head:] for one in received) == b"".join(pictures)
        sizes = [len(one) - head for one in received]
        assert all(size % 188 == 0 and size <= DATAGRAM_BYTES for size in sizes)
        assert len(received) == sum(math.ceil(len(one) / DATAGRAM_BYTES) for one in pictures)
        if sealed:
            assert [int.from_bytes(one[:2]) for one in received] == [*range(1, len(received) + 1)]
        sender.abort()


async def test_one_picture_leaves_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        place = receiver.getsockname()
        url = UdpUrl(place[0], place[1], "", DEFAULT_TTL)
        sender = UdpSender(open_socket(url, place, socket.AF_INET, loop_back=False), work())
        sender.write(bytes(9 * 188))
        assert [len(receiver.recv(4096)) for _ in range(2)] == [DATAGRAM_BYTES, 2 * 188]
        assert sender.get_write_buffer_size() == 0
        sender.abort()


class Broken:
    """A socket whose network is down."""

    def send(self, _data: bytes) -> int:
        raise OSError(101, "Network is unreachable")

    def sendmsg(self, _data: list[bytes], _control: object) -> int:
        raise OSError(101, "Network is unreachable")

    def close(self) -> None:
        pass


async def test_a_network_that_is_down_ends_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media_streamer.protocols.udp.push.MAX_REFUSED", 2)
    one = work()
    sender = UdpSender(cast(socket.socket, Broken()), one)
    sender.write(bytes(DATAGRAM_BYTES * 40))
    assert "unreachable" in await asyncio.wait_for(sender.lost, 30)
    assert one.counters["errors_dropped_frames"] > 2
    assert sender.get_write_buffer_size() == 0
    sender.abort()


class Steady:
    """In place of the thread: the test takes its part."""

    def add(self, sender: push.ConstantSender) -> None:
        """It sends when the test says so."""

    def remove(self, sender: push.ConstantSender) -> None:
        """The test sends no more."""


async def test_what_has_come_is_read_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two datagrams there are 3 ms; a piece of the stream takes half of one."""
    monkeypatch.setattr(push, "STEADY", Steady())
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        here.setblocking(False)
        sender = push.ConstantSender(here, work(), 3_000_000)
        assert sender.send_one() is None, "nothing is known of the stream"
        piece = clock_packet(0) + (b"\x47\x01\x00\x10".ljust(188, b"p")) * 399
        sender.write(piece)
        sender.prepare()
        assert len(sender._came) == 1
        assert sender._read_at == push.READ_BYTES
        sent = 0
        while sender._came:
            assert sender.send_one() == pytest.approx(1316 * 8 / 3e6, rel=1e-3)
            sender.prepare()
            sent += 1
            assert len(there.recv(2048)) == 1316
        assert sent == math.ceil(400 * 188 / push.READ_BYTES) - 1
        for _ in range(50):
            sender.write(piece)
        sender.send_one()
        sender.prepare()
        assert len(sender._came) <= push.MAX_CAME, "what nobody has room for does not pile up"
        assert sender._rate.waiting_bytes < 60 * len(piece)


def clock_packet(pcr: int) -> bytes:
    """A transport packet with nothing but a clock before its payload."""
    field = (pcr // 300 << 15 | 0x7E00 | pcr % 300).to_bytes(6, "big")
    return (b"\x47\x41\x00\x30\x07\x10" + field).ljust(188, b"p")
