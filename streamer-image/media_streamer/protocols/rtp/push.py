"""`push rtp://[INTERFACE@]HOST:PORT[/INTERFACE][?ttl=N]`: MPEG-TS in RTP (RFC 2250 2, RFC 3551).

What `udp://` sends, each datagram of at most seven packets behind an RTP header: receivers see what
is lost and put into order what came otherwise. Its options, rates and `standby` are those of
`udp://`.
"""

import os
import secrets
import time

from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import Work
from media_streamer.protocols.udp.push import push_datagrams
from media_streamer.rtp.packet import HEADER_BYTES, write

MP2T = 33
"""Payload type of a transport stream (RFC 3551 6)."""
CLOCK = 90_000


class RtpSeal:
    """Headers of one push, in order. The time is that at which a datagram leaves (RFC 2250 2)."""

    head_bytes = HEADER_BYTES

    def __init__(self) -> None:
        self._ssrc = int.from_bytes(os.urandom(4), "big")
        self._sequence = secrets.randbelow(1 << 16)
        self._offset = secrets.randbits(32)

    def seal(self, datagram: bytes) -> bytes:
        """With its header."""
        self._sequence += 1
        timestamp = self._offset + int(time.monotonic() * CLOCK)
        return write(MP2T, False, self._sequence, timestamp, self._ssrc, datagram)


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    await push_datagrams(egress, work, RtpSeal())
