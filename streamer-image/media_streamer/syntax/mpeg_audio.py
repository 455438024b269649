"""MPEG audio frames (ISO/IEC 11172-3 2.4.2.3): where one ends and the next begins. Pure."""

from collections.abc import Iterator

_BIT_RATES = {
    # (version 1, layer): kbit/s by index 1 to 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""By version bits: 3 is MPEG-1, 2 MPEG-2, 0 MPEG-2.5."""
_HEADER_BYTES = 4


def frame(header: bytes) -> tuple[int, float] | None:
    """(bytes, seconds) of the frame that begins with `header`; None if none does."""
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate_index, sampling = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or rate_index in (0, 15) or sampling == 3:
        return None
    first = version == 3
    bits = 1000 * _BIT_RATES[first, layer][rate_index - 1]
    rate = _SAMPLE_RATES[version][sampling]
    padding = header[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // rate + padding) * 4, 384 / rate
    samples = 1152 if first or layer == 2 else 576
    return samples * bits // (8 * rate) + padding, samples / rate


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(ms since the first, frame) of the frames in `data`; what is none stays with the last."""
    position, seconds = 0, 0.0
    while True:
        found = frame(data[position : position + _HEADER_BYTES])
        size, length = found if found is not None else (len(data) - position, 0.0)
        end = position + size
        if end + _HEADER_BYTES > len(data) or frame(data[end : end + _HEADER_BYTES]) is None:
            end = len(data)
        yield round(1000 * seconds), data[position:end]
        if end == len(data):
            return
        position, seconds = end, seconds + length
