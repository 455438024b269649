"""Packets by UDP: kept apart, in order, many in one call, a burst spread."""

import asyncio
import socket

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.outgoing.segments import MAX_SEGMENTS, runs
from media_streamer.protocols.rtsp.message import write_interleaved
from media_streamer.protocols.rtsp.ports import open_pair
from media_streamer.protocols.rtsp.udp import UdpSender, split

BURST = 256 * 1024


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=50)), max_size=20))
def test_interleaved_packets_are_told_apart(packets: list[tuple[int, bytes]]) -> None:
    data = b"".join(write_interleaved(channel, packet) for channel, packet in packets)
    assert list(split(data)) == packets


@given(st.lists(st.integers(1, 5), max_size=100))
def test_runs_are_of_one_size_but_the_last(sizes: list[int]) -> None:
    packets = [bytes((n & 0xFF,)) * size for n, size in enumerate(sizes)]
    found = list(runs(packets))
    assert [packet for run in found for packet in run] == packets
    for run in found:
        assert len(run) <= MAX_SEGMENTS
        assert len({len(packet) for packet in run[:-1]}) <= 1
        assert len(run[-1]) <= len(run[0])


async def test_a_burst_arrives_whole_and_in_order() -> None:
    ignored: list[bytes] = []
    ports = open_pair(lambda d, _: ignored.append(d), lambda d, _: ignored.append(d), "127.0.0.1")
    assert ports[0].number % 2 == 0
    assert ports[1].number == ports[0].number + 1
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * BURST)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    sender = UdpSender({0: (ports[0], receiver.getsockname())})
    sent = [n.to_bytes(4, "big") * 250 for n in range(BURST // 1000)]
    sender.write(b"".join(write_interleaved(n % 2, packet) for n, packet in enumerate(sent)))
    assert sender.get_write_buffer_size() < sum(len(packet) for packet in sent)
    loop = asyncio.get_running_loop()
    got: list[bytes] = []
    async with asyncio.timeout(10):
        while len(got) < len(sent[::2]):
            got.append(await loop.sock_recv(receiver, 2048))
    assert got == sent[::2]
    sender.close()
    for port in ports:
        port.close()
    receiver.close()
