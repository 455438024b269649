"""Sending to a viewer by UDP: packets in interleaved framing become datagrams, cut once for all."""

from collections.abc import Iterator

from media_streamer.egress.paced import Cut, LastCut, PacedSender
from media_streamer.outgoing.segments import runs
from media_streamer.protocols.rtsp.ports import Address, UdpPort

Run = tuple[int, int, bytes]
"""Channel, bytes of a packet, packets."""


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Channel and bytes of each packet in interleaved framing (RFC 2326 10.12)."""
    position, total = 0, len(data)
    while position + 4 <= total:
        end = position + 4 + (data[position + 2] << 8 | data[position + 3])
        yield data[position + 1], data[position + 4 : end]
        position = end


def cut(data: bytes) -> list[Run]:
    """Interleaved packets as runs, the packets of a channel in order."""
    channels: dict[int, list[bytes]] = {}
    for channel, packet in split(data):
        channels.setdefault(channel, []).append(packet)
    return [
        (channel, len(run[0]), b"".join(run))
        for channel, packets in channels.items()
        for run in runs(packets)
    ]


def _cut(data: bytes) -> Cut[Run]:
    return [(len(run[2]), run) for run in cut(data)]


_last_cut = LastCut(_cut)


class UdpSender(PacedSender[Run]):
    """To a viewer by UDP; `routes` says by channel where its packets go, and through which port."""

    def __init__(self, routes: dict[int, tuple[UdpPort, Address]]) -> None:
        super().__init__()
        self._routes = routes

    def write(self, data: bytes) -> None:
        """Send interleaved packets; those of a track that was not set up are left out."""
        self.queue([one for one in _last_cut.of(data) if one[1][0] in self._routes])
        self.pump()

    def send(self, datagrams: list[Run]) -> int:
        for channel, size, data in datagrams:
            port, address = self._routes[channel]
            port.send_run(data, size, address)
        return len(datagrams)
