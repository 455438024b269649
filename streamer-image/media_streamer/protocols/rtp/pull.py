"""`rtp://[SOURCE@]ADDRESS:PORT[/INTERFACE]`: MPEG-TS in RTP (RFC 2250 2), to one or to a group.

`sdp://LOCATION/FILE.sdp`: any payload format that is known here, as a description in a VOD location
says it. Packets are put into order, and losses are counted.
"""

import ipaddress
import select
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.cut_input import PulledInput
from media_streamer.protocols.rtp.described import DescribedInput
from media_streamer.protocols.rtp.port import MAX_DATAGRAM_BYTES, Place, open_port
from media_streamer.rtp.jitter import JitterBuffer
from media_streamer.rtp.packet import Packet, PacketError, parse
from media_streamer.wire.media import Reception

WAIT_MS = 50
"""The thread looks this often whether it shall end, and at holes between packets."""
READS_AT_ONCE = 64
MAX_FOREIGN = 200
"""Packets without a transport stream until a source is given up; a stray one is nothing."""
_TS_SYNC, _TS_PACKET_BYTES = 0x47, 188


def create(request: InputRequest) -> Input:
    if request.config.scheme == "sdp":
        if request.config.programs or request.config.pids:
            raise InputError("programs, pids: a description names its tracks, it has none of them")
        return DescribedInput(request)
    return RtpInput(request, place_of(request.config))


def place_of(config: InputConfig) -> Place:
    """Where an `rtp://` URL wants packets from; raises InputError."""
    parts = urlsplit(config.url)
    try:
        port = parts.port
    except ValueError:
        raise InputError("rtp:// has a port that is no number") from None
    if not port or not parts.hostname:
        raise InputError("rtp:// lacks address or port: write rtp://ADDRESS:PORT")
    source = parts.username or ""
    if source:
        try:
            source = str(ipaddress.ip_address(source))
        except ValueError:
            raise InputError(
                "rtp://SOURCE@ADDRESS:PORT: the source is an address, such as 10.0.0.5"
            ) from None
    return Place(parts.hostname, port, source, config.bind_ip or parts.path.strip("/"))


def carries_ts(payload: bytes) -> bool:
    """Whether a payload is whole packets of a transport stream."""
    return (
        bool(payload)
        and len(payload) % _TS_PACKET_BYTES == 0
        and all(byte == _TS_SYNC for byte in payload[::_TS_PACKET_BYTES])
    )


class RtpInput(PulledInput):
    """One attempt to receive a transport stream."""

    def __init__(self, request: InputRequest, place: Place) -> None:
        super().__init__(request)
        self._place = place
        self._jitter = JitterBuffer()
        self._ssrc: int | None = None
        self._packets = self._foreign = self._lost_before = 0

    def _connect(self) -> Callable[[int], bytes]:
        sock = open_port(self._place)
        self._connection.callback(sock.close)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        source = self._place.source

        def read(_: int) -> bytes:
            deadline = time.monotonic() + self.limits.read_seconds
            while not self._stopping.is_set():
                ready: list[Packet] = []
                if poll.poll(WAIT_MS):
                    for _ in range(READS_AT_ONCE):
                        try:
                            data, sender = sock.recvfrom(MAX_DATAGRAM_BYTES)
                        except BlockingIOError:
                            break
                        except OSError:
                            continue  # an ICMP error
                        if not source or sender[0] == source:
                            ready += self._take(data)
                else:
                    ready = self._jitter.poll()
                if ready:
                    self.allow(self.limits.read_seconds + self.limits.open_seconds)
                    self._tell()
                    return b"".join(packet.payload for packet in ready)
                if time.monotonic() > deadline:
                    raise InputError("the source sends nothing")
            return b""

        return read

    def _take(self, data: bytes) -> list[Packet]:
        """A datagram came; packets that are in order now."""
        try:
            packet = parse(data)
        except PacketError:
            packet = None
        if packet is None or not carries_ts(packet.payload):
            self._foreign += 1
            if self._foreign > MAX_FOREIGN and not self._packets:
                raise InputError(_foreign(packet, data))
            return []
        self._packets += 1
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._lost_before += self._jitter.lost
            self._jitter = JitterBuffer()
        return self._jitter.push(packet)

    def _tell(self) -> None:
        self.reception = Reception(self._packets, self._lost_before + self._jitter.lost)


def _foreign(packet: Packet | None, data: bytes) -> str:
    """What to do about a sender of something else."""
    if packet is None:
        raw = data[:1] == bytes((_TS_SYNC,))
        return "the sender sends no RTP" + (": write udp:// for bare MPEG-TS" if raw else "")
    return (
        f"the sender sends no MPEG-TS but RTP of payload type {packet.payload_type}, which needs a"
        " description: write sdp://LOCATION/FILE.sdp"
    )
