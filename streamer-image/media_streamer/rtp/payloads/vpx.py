"""VP8 (RFC 7741) and VP9 (RFC 9628): a frame in pieces, each behind a descriptor.

Written without picture numbers, as the stream has no layers: receivers go by the sequence numbers,
which have no gaps. Of what comes with several spatial layers one picture is made, which shows the
highest (`syntax/vp9_layers`).
"""

from collections.abc import Callable

from media_streamer.rtp.payloads.base import Sample
from media_streamer.rtp.payloads.nal_units import MAX_PAYLOAD, MAX_SAMPLE_BYTES
from media_streamer.syntax.vp9_layers import Layers, NotReadError
from media_streamer.syntax.vpx import KeyFrame, vp8_key_frame, vp9_key_frame

_ROOM = MAX_PAYLOAD - 1
_MAX_REFERENCES = 3

Descriptor = tuple[int, bool, int]
"""Its length, whether a frame begins behind it, of which spatial layer."""


def _pieces(data: bytes) -> list[bytes]:
    return [data[at : at + _ROOM] for at in range(0, len(data), _ROOM)]


class Vp8Packetizer:
    """The partitions of a frame as one: nobody needs to tell them apart."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        # S: a partition begins, number 0 (4.2).
        return [bytes((0 if at else 0x10,)) + piece for at, piece in enumerate(_pieces(data))]


class Vp9Packetizer:
    """P: predicted from other pictures, B and E: begin and end of the frame (4.2)."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        pieces = _pieces(data)
        last, predicted = len(pieces) - 1, 0 if key else 0x40
        return [
            bytes((predicted | (0 if at else 0x08) | (0x04 if at == last else 0),)) + piece
            for at, piece in enumerate(pieces)
        ]


class VpxDepacketizer:
    """Pieces into frames."""

    def __init__(
        self,
        descriptor: Callable[[bytes], Descriptor],
        key_frame: Callable[[bytes], KeyFrame | None],
        *,
        has_layers: bool,
    ) -> None:
        """`descriptor` raises IndexError for a payload that is cut off; `has_layers`: several
        frames may make one picture."""
        self._descriptor = descriptor
        self._has_layers = has_layers
        self._key_frame = key_frame
        self._frames: list[bytearray] = []
        """Of the layers of the picture under way."""
        self._size = 0
        self._layer = -1
        self._layers: Layers | None = None
        """Where there have been several."""
        self._timestamp = 0
        self._intact = True

    def lose(self) -> None:
        self._intact = False

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        samples: list[Sample] = []
        if not payload:
            return samples  # padding alone, by which senders find out what their path carries
        if self._frames and timestamp != self._timestamp:
            samples += self._finish()
        self._timestamp = timestamp
        try:
            size, begins, layer = self._descriptor(payload)
        except IndexError:
            self._intact = False
        else:
            # A second beginning, or none: the frame is not what was sent.
            self._intact &= layer > self._layer if begins else layer == self._layer
            if begins or not self._frames:
                self._frames.append(bytearray())
            self._layer = layer
            self._frames[-1] += payload[size:]
            self._size += len(payload) - size
        if self._size > MAX_SAMPLE_BYTES:
            self._clear()
            self._intact = False
        if marker:
            samples += self._finish()
        return samples

    def _finish(self) -> list[Sample]:
        frames, intact = [bytes(frame) for frame in self._frames], self._intact
        if not frames:
            return []
        self._clear()
        self._intact = True
        if len(frames) > 1 and self._layers is None and self._has_layers:
            self._layers = Layers()
        data = frames[0]
        if self._layers is not None:
            try:
                data = self._layers.join(frames)
            except NotReadError:
                intact = False
        return [Sample(self._timestamp, data, self._key_frame(data) is not None, intact)]

    def _clear(self) -> None:
        self._frames.clear()
        self._size, self._layer = 0, -1


def vp8_depacketizer() -> VpxDepacketizer:
    return VpxDepacketizer(_vp8_descriptor, vp8_key_frame, has_layers=False)


def vp9_depacketizer() -> VpxDepacketizer:
    return VpxDepacketizer(_vp9_descriptor, vp9_key_frame, has_layers=True)


def _vp8_descriptor(payload: bytes) -> Descriptor:
    """RFC 7741 4.2."""
    head, size = payload[0], 1
    if head & 0x80:
        extension, size = payload[1], 2
        if extension & 0x80:
            size += 2 if payload[size] & 0x80 else 1
        if extension & 0x40:
            size += 1
        if extension & 0x30:
            size += 1
    payload[size]  # there is something behind it
    return size, bool(head & 0x10) and not head & 0x0F, 0


def _vp9_descriptor(payload: bytes) -> Descriptor:
    """RFC 9628 4.2."""
    head, size, layer = payload[0], 1, 0
    if head & 0x80:
        size += 2 if payload[size] & 0x80 else 1
    if head & 0x20:
        layer = payload[size] >> 1 & 7
        size += 1 if head & 0x10 else 2
    if head & 0x50 == 0x50:
        for _ in range(_MAX_REFERENCES):
            size += 1
            if not payload[size - 1] & 1:
                break
    if head & 0x02:
        size = _behind_structure(payload, size)
    payload[size]
    return size, bool(head & 0x08), layer


def _behind_structure(payload: bytes, size: int) -> int:
    """RFC 9628 4.2.1: sizes of the layers, and a description of the group of pictures."""
    structure = payload[size]
    size += 1
    if structure & 0x10:
        size += 4 * ((structure >> 5) + 1)
    if structure & 0x08:
        count = payload[size]
        size += 1
        for _ in range(count):
            size += 1 + (payload[size] >> 2 & 3)
    return size
