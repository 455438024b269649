"""RTP headers before a transport stream, as a receiver reads them."""

import asyncio
import socket
from itertools import pairwise

from media_streamer.egress.jobs import Work
from media_streamer.protocols.rtp.push import MP2T, RtpSeal
from media_streamer.protocols.udp.push import (
    DATAGRAM_BYTES,
    DEFAULT_TTL,
    UdpSender,
    UdpUrl,
    open_socket,
)
from media_streamer.rtp.packet import parse
from media_streamer.wire.control import Job


async def test_each_datagram_has_a_header_of_its_own() -> None:
    """Those that leave in one system call as well."""
    job = Job("1", "live", "rtp", "push", "push to rtp://here", b"{}", 5.0, 30.0, None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        place = receiver.getsockname()
        url = UdpUrl(*place, "", DEFAULT_TTL)
        sock = open_socket(url, place, socket.AF_INET, loop_back=False)
        sender = UdpSender(sock, Work(job), RtpSeal())
        data = b"".join(bytes((number,)) * DATAGRAM_BYTES for number in range(20))
        sender.write(data)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            found = [parse(await loop.sock_recv(receiver, 2048)) for _ in range(20)]
        sender.abort()
    assert b"".join(one.payload for one in found) == data
    assert {one.payload_type for one in found} == {MP2T}
    assert len({one.ssrc for one in found}) == 1
    assert all((b.sequence - a.sequence) & 0xFFFF == 1 for a, b in pairwise(found))
    assert all((b.timestamp - a.timestamp) & 0xFFFFFFFF < 90_000 for a, b in pairwise(found))
