"""Which pictures of a stream a receiver is sent: one rendition, another from a key frame on. Pure.

Invariants: what is sent of one rendition is whole groups of pictures up to where another one
begins; time stamps never go back where it changes.
"""

from media_streamer.protocols.webrtc.packets import Batch, Packet, is_before


class Renditions:
    """Of one receiver; `channel` is sent, `wanted` will be."""

    def __init__(self, channel: int) -> None:
        self.channel = self.wanted = channel
        self.paused = False
        """Nothing is sent until a key frame."""
        self.switches = 0
        self._newest: int | None = None

    @property
    def is_plain(self) -> bool:
        """All that comes of `channel` is sent."""
        return not self.paused and self.wanted == self.channel

    def start(self, packets: list[Packet]) -> None:
        """These are sent, as they are."""
        if packets:
            self._newest = packets[-1].timestamp

    def take(self, batch: Batch, may_resume: bool = True) -> list[Packet]:
        """What of these packets is sent. Without `may_resume` a pause goes on at a key frame."""
        current = batch.packets.get(self.channel, [])
        if self.is_plain:
            self.start(current)
            return current
        taken = [] if self.paused else current
        coming = batch.packets.get(self.wanted, [])
        at = next((n for n, one in enumerate(coming) if one.key and self._is_new(one)), None)
        if at is not None and (may_resume or not self.paused):
            key = coming[at].timestamp
            taken = [one for one in taken if is_before(one.timestamp, key)] + coming[at:]
            self.switches += self.channel != self.wanted
            self.channel, self.paused = self.wanted, False
        self.start(taken)
        return taken

    def _is_new(self, packet: Packet) -> bool:
        return self._newest is None or is_before(self._newest, packet.timestamp)
