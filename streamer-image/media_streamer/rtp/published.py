"""One track of a publisher who sends RTP: packets in, what a feed takes out.

Frames that lost packets are left out: a decoder would show them as damage. A track whose SDP had no
parameter sets is set up again when they come in band; its pictures before are of no use to anybody.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from media_streamer.rtp.codecs import Incoming
from media_streamer.rtp.receiver import TICKS, CommonClock, ReceivedFrame, ReceivedTrack
from media_streamer.syntax import nal, records
from media_streamer.wire.media import PublishedFrame, TrackSetup

MAX_HELD_SETS = 64
_MPEG_AUDIO = frozenset({"mp2", "mp3"})
_LAYERS = {1: "mp3", 2: "mp2"}
"""By the bits of a header (ISO/IEC 11172-3 2.4.2.3)."""


class PublishedTrack:
    """`number` is the track's in the feed."""

    def __init__(
        self,
        number: int,
        kind: Literal["video", "audio"],
        incoming: Incoming,
        clock: CommonClock,
        *,
        reorder: bool,
        payload_type: int | None = None,
    ) -> None:
        """`reorder` and `payload_type` as of `ReceivedTrack`."""
        self.received = ReceivedTrack(incoming, clock, reorder=reorder, payload_type=payload_type)
        self.setup = TrackSetup(number, kind, incoming.codec, incoming.configuration, TICKS)
        self.changed = False
        """`setup` is another one than the feed was told: tell it before the frames."""
        self.damaged = 0
        """Frames left out because packets of them are missing."""
        self._types = nal.NAL_TYPES.get(incoming.codec)
        self._sets: dict[bytes, None] = {}

    def take(self, data: bytes, now: float | None = None) -> list[PublishedFrame]:
        """A packet came; the frames that are complete now."""
        return self._publish(self.received.take(data, now))

    def poll(self, now: float | None = None) -> list[PublishedFrame]:
        """Frames behind packets that have been waited for long enough."""
        return self._publish(self.received.poll(now))

    def _publish(self, frames: Iterable[ReceivedFrame]) -> list[PublishedFrame]:
        published = []
        for frame in frames:
            if not frame.intact:
                self.damaged += 1
            elif self._is_described(frame):
                published.append(
                    PublishedFrame(self.setup.number, frame.dts, frame.pts, frame.key, frame.data)
                )
        return published

    def _tell_layer(self, data: bytes) -> None:
        """Descriptions know MPEG audio only (RFC 3551 4.5.13); its frames say which layer it is."""
        if len(data) > 1 and (layer := data[1] >> 1 & 3) in _LAYERS:
            codec = _LAYERS[layer]
            if codec != self.setup.codec:
                self.setup = replace(self.setup, codec=codec)
                self.changed = True

    def _is_described(self, frame: ReceivedFrame) -> bool:
        """Whether a decoder knows what to do with the frame."""
        types = self._types
        if self.setup.codec in _MPEG_AUDIO:
            self._tell_layer(frame.data)
        if types is None or self.setup.configuration:
            return True
        try:
            units = nal.split_length_prefixed(frame.data)
        except ValueError:
            return False
        for unit in units:
            if unit[0] >> types.shift & types.mask in types.parameter_sets:
                self._sets[unit] = None
        if len(self._sets) > MAX_HELD_SETS:
            self._sets.clear()
        if not frame.key:
            return False
        try:
            record = records.record(self.setup.codec, list(self._sets))
        except ValueError:
            self._sets.clear()
            return False
        if record:
            self.setup = replace(self.setup, configuration=record)
            self.changed = True
        return bool(record)
