"""What every payload format is.

A *sample* is a frame in canonical form (`media_streamer.wire.frame`): NAL units behind 4-byte
lengths, AAC without ADTS, AV1 without temporal delimiters. A depacketizer gives samples in that
form, but with the parameter sets that came in band still in them.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame that was put together from packets."""

    timestamp: int
    """RTP time stamp, 32 bits."""
    data: bytes
    key: bool
    """A decoder can start here, as far as the payload tells."""
    intact: bool = True
    """False: packets of it are missing; a video decoder shows damage until the next key frame."""


class Packetizer(Protocol):
    """Samples of one track into payloads."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        """Payloads of one sample in order; the last packet of the sample carries the marker."""


class Depacketizer(Protocol):
    """Payloads of one track, in order, into samples."""

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        """Take a payload; returns samples that are complete. Garbage gives fewer samples."""

    def lose(self) -> None:
        """Packets are missing before the next payload."""
