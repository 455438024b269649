"""Sound whose frames are payloads: Opus (RFC 7587), G.711 (RFC 3551 4.5.14), MPEG audio, AC-3."""

from media_streamer.rtp.payloads.base import Sample
from media_streamer.rtp.payloads.nal_units import MAX_PAYLOAD

MAX_SOUND_BYTES = 64 * 1024


class WholePacketizer:
    """A frame a packet (Opus), or cut anywhere (G.711)."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        return [data[at : at + MAX_PAYLOAD] for at in range(0, len(data), MAX_PAYLOAD)]


class WholeDepacketizer:
    """A packet is a sample."""

    def lose(self) -> None:
        return

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        return [Sample(timestamp, payload, True)] if payload else []


class MpegAudioPacketizer:
    """MPEG audio (RFC 2250 3.5): 2 zero bytes and the offset within the frame."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        room = MAX_PAYLOAD - 4
        return [
            b"\x00\x00" + at.to_bytes(2, "big") + data[at : at + room]
            for at in range(0, len(data), room)
        ]


class MpegAudioDepacketizer:
    """Frames of a packet are told apart by their headers: several may share one."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._timestamp = 0

    def lose(self) -> None:
        self._partial.clear()

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        if len(payload) <= 4:
            return []
        offset = int.from_bytes(payload[2:4], "big")
        if offset == 0:
            self._partial = bytearray(payload[4:])
            self._timestamp = timestamp
        elif len(self._partial) == offset and offset < MAX_SOUND_BYTES:
            self._partial += payload[4:]
        else:
            self._partial.clear()
            return []
        return self._complete()

    def _complete(self) -> list[Sample]:
        samples: list[Sample] = []
        timestamp = self._timestamp
        while (found := mpeg_audio_frame(self._partial)) is not None:
            size, ticks = found
            if size > len(self._partial):
                break
            samples.append(Sample(timestamp & 0xFFFFFFFF, bytes(self._partial[:size]), True))
            del self._partial[:size]
            timestamp += ticks
        return samples


_MPEG_RATES = (44_100, 48_000, 32_000)
_BIT_RATES: dict[tuple[bool, int], tuple[int, ...]] = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s by MPEG-1 or not, and layer (ISO/IEC 11172-3 2.4.2.3, 13818-3 2.4.2.3)."""


def mpeg_audio_frame(data: bytes | bytearray) -> tuple[int, int] | None:
    """Size in bytes and duration in 90 kHz ticks of the frame that `data` starts with."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    rate_index, frequency_index = data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or layer == 4 or not 0 < rate_index < 15 or frequency_index == 3:
        return None
    mpeg1 = version == 3
    bit_rate = _BIT_RATES[mpeg1, layer][rate_index - 1] * 1000
    frequency = _MPEG_RATES[frequency_index] >> {3: 0, 2: 1, 0: 2}[version]
    padding = data[2] >> 1 & 1
    if layer == 1:
        return (12 * bit_rate // frequency + padding) * 4, 384 * 90_000 // frequency
    samples = 1152 if mpeg1 or layer == 2 else 576
    return samples // 8 * bit_rate // frequency + padding, samples * 90_000 // frequency


class Ac3Packetizer:
    """AC-3 and E-AC-3 (RFC 4184 4.1, RFC 4598 4.1): a frame type and a count in front."""

    def packetize(self, data: bytes, key: bool) -> list[bytes]:
        room = MAX_PAYLOAD - 2
        pieces = [data[at : at + room] for at in range(0, len(data), room)]
        if len(pieces) == 1:
            return [b"\x00\x01" + data]
        count = len(pieces)
        # 1: an initial fragment with at least 5/8 of the frame, 2: with less, 3: another one.
        first = 1 if 8 * len(pieces[0]) >= 5 * len(data) else 2
        return [
            bytes((first if not number else 3, count)) + piece
            for number, piece in enumerate(pieces)
        ]


class Ac3Depacketizer:
    """One frame, or the fragments of one."""

    def __init__(self) -> None:
        self._partial = bytearray()

    def lose(self) -> None:
        self._partial.clear()

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        if len(payload) <= 2:
            return []
        kind = payload[0] & 3
        if kind == 0:
            return [Sample(timestamp, payload[2:], True)]
        if kind == 3:
            if not self._partial or len(self._partial) > MAX_SOUND_BYTES:
                return []
            self._partial += payload[2:]
        else:
            self._partial = bytearray(payload[2:])
        if not marker:
            return []
        data, self._partial = bytes(self._partial), bytearray()
        return [Sample(timestamp, data, True)]
