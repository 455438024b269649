"""What of SRT reaches libsrt."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from media_streamer.budgets import (
    SRT_GIVEN_UP_PACKETS,
    SRT_LEAST_DATAGRAM_BYTES,
    SRT_WINDOW_PACKETS,
)
from media_streamer.protocols.srt.guard import LEAST_WINDOW_PACKETS, Drops, guard

from tests.support.srt_packets import conclusion, drop_request, induction

HONEST = (1500, 8192)


@pytest.fixture(params=["127.0.0.1", "::1"])
def way(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that is guarded, and one that sends to it."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as own,
        socket.socket(family, socket.SOCK_DGRAM) as peer,
    ):
        own.bind((request.param, 0))
        peer.connect(own.getsockname())
        peer.send(b"what came before")
        guard(own)
        yield own, peer


SPANS = [
    (5, 4), (9, 10 + SRT_GIVEN_UP_PACKETS), (0, 0x7FFFFFFF), (0, 0xFFFFFFFF), (1 << 31, 5),
    (0xFFFFFFFF, 5), (0x7FFFFFFF, 1 << 31),
]  # fmt: skip
"""Numbers have 31 bits; libsrt takes them for signed ones of 32."""


def come(way: tuple[socket.socket, socket.socket], *sent: bytes) -> list[bytes]:
    own, peer = way
    for data in sent:
        peer.send(data)
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(own.recv(2048))
    return found


def test_what_is_honest_passes(way: tuple[socket.socket, socket.socket]) -> None:
    sent = [
        induction(),
        conclusion(7, *HONEST),
        conclusion(7, SRT_LEAST_DATAGRAM_BYTES, LEAST_WINDOW_PACKETS),
        conclusion(7, 0xFFFF, SRT_WINDOW_PACKETS),
        drop_request(1, 5, 5),
        drop_request(1, 0x7FFFFFFF, 3),
        drop_request(1, 9, 9 + SRT_GIVEN_UP_PACKETS),
        b"\x80\1" + bytes(14),  # another control packet
        bytes(16) + b"media",
        b"x",
    ]
    # What is too short for a header libsrt would drop itself.
    assert come(way, *sent) == sent[:-1]


@pytest.mark.parametrize("subtype", [0, 1])
def test_what_does_harm_is_dropped(way: tuple[socket.socket, socket.socket], subtype: int) -> None:
    bad = [
        *((mss, 8192) for mss in (0, 60, 80, 100, SRT_LEAST_DATAGRAM_BYTES - 1, 1 << 16, 1 << 31)),
        *((1500, packets) for packets in (0, 31, SRT_WINDOW_PACKETS + 1, 1 << 31, 0xFFFFFFFF)),
    ]
    sent = [conclusion(7, *fields) for fields in bad]
    sent = [data[:3] + bytes([subtype]) + data[4:] for data in sent]
    sent += [drop_request(1, *span) for span in SPANS]
    assert come(way, *sent, sent[0][:40], sent[-1][:20]) == []


def test_what_is_dropped_is_counted(way: tuple[socket.socket, socket.socket]) -> None:
    own, _ = way
    drops = Drops(own)
    bad = [conclusion(7, 60, 8192), drop_request(1, *SPANS[0]), conclusion(7, 1500, 1 << 31)]
    assert come(way, *bad, induction()) == [induction()]
    assert drops.new() == len(bad)
    assert come(way, induction(), bad[0]) == [induction()]
    assert [drops.new(), drops.new()] == [1, 0], "what was told is told once"
    place = own.getsockname()
    own.close()
    drops.close()
    with socket.socket(own.family, socket.SOCK_DGRAM) as other:
        other.bind(place)


def test_a_full_buffer_is_counted() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        own.bind(("127.0.0.1", 0))
        drops = Drops(own)
        for _ in range(100):
            peer.sendto(bytes(1316), own.getsockname())
        assert 50 < drops.new() < 100
        drops.close()


CALLED = """
import contextlib, resource, socket, sys
from media_streamer.protocols.srt.libsrt import SrtError, SrtSocket
from tests.support.srt_packets import conclusion, cookie_of, drop_request, induction, number_of
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
listener = SrtSocket()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
place = udp.getsockname()
listener.use(udp)
listener.listen()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for fields in [(60, 8192), (80, 8192), (100, 8192), (1500, 20_000_000), (1500, 8192)] * 4:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.connect(place)
        peer.send(induction())
        peer.send(conclusion(cookie_of(peer.recv(2048)), *fields))
        if fields == (1500, 8192):
            answer = peer.recv(2048)
            assert answer[:2] == bytes([0x80, 0])
            for span in ((5, 4), (1 << 31, 5)):
                peer.send(drop_request(number_of(answer), *span))
            with contextlib.suppress(SrtError):
                listener.accept(1000)
print("grown", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak >> 10)
"""


def test_no_peer_ends_or_stops_the_port() -> None:
    """One of these was enough, and took 480 MB for the window."""
    done = subprocess.run(
        [sys.executable, "-c", CALLED], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 30
