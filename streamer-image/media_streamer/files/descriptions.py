"""Sample entries out of what other containers say of a codec. Pure.

Sources: ISO/IEC 14496-12 12.1.3 and 12.2.3 (entries), 14496-1 7.2.6 (`esds`), RFC 7845 5.1 and
Encapsulation of Opus in ISOBMFF 4.3.2, ETSI TS 102 366 annex F (`dac3`, `dec3`), VP Codec ISO Media
File Format Binding 2 (`vpcC`).
"""

import struct
from typing import NamedTuple

from media_streamer.files.headers import Entry
from media_streamer.files.tables import BadFile
from media_streamer.syntax.boxes import box, full_box
from media_streamer.syntax.vpx import KeyFrame, vp8_key_frame, vp9_key_frame

AAC, MPEG2_VIDEO, MP2, MP3 = 0x40, 0x61, 0x69, 0x6B
"""Object types (mp4ra.org)."""
_AC3_RATES = (48_000, 44_100, 32_000)
_AC3_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
_AC3_BLOCKS = (1, 2, 3, 6)
AAC_RATES = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
)  # fmt: skip


class Sound(NamedTuple):
    """What a codec of sound says of itself."""

    entry: Entry
    frame_samples: int = 0
    """Of a frame, 0: it varies."""


def video(kind: bytes, configuration: bytes, width: int, height: int) -> Entry:
    """A picture; `configuration`: the box of its decoder."""
    fixed = struct.pack(
        ">6xH16xHHIII H32xHh", 1, width & 0xFFFF, height & 0xFFFF,
        0x480000, 0x480000, 0, 1, 0x18, -1,
    )  # fmt: skip
    return Entry(box(kind, fixed, configuration), kind, width=width, height=height)


def audio(kind: bytes, configuration: bytes, channels: int, rate: int) -> Entry:
    """A sound; `configuration`: the box of its decoder, if it has one."""
    shown = rate if rate <= 0xFFFF else 0
    fixed = struct.pack(">6xH8xHHIHH", 1, min(channels, 0xFFFF), 16, 0, shown, 0)
    return Entry(box(kind, fixed, configuration), kind, channels=channels, sample_rate=rate)


def described_stream(object_type: int, configuration: bytes) -> bytes:
    """`esds` of what MPEG-4 Systems has a number for."""
    stream = 0x11 if object_type == MPEG2_VIDEO else 0x15
    specific = _descriptor(5, configuration) if configuration else b""
    config = _descriptor(4, bytes((object_type, stream)) + bytes(11) + specific)
    return full_box(b"esds", 0, 0, _descriptor(3, b"\0\1\0" + config + _descriptor(6, b"\2")))


def _descriptor(tag: int, payload: bytes) -> bytes:
    size = len(payload)
    return bytes((tag, size >> 21 & 127 | 128, size >> 14 & 127 | 128, size >> 7 & 127 | 128,
                  size & 127)) + payload  # fmt: skip


def aac(config: bytes) -> Sound:
    """From an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1); raises BadFile."""
    if len(config) < 2:
        raise BadFile("the description of its AAC ends early")
    bits = int.from_bytes(config[:8].ljust(8, b"\0"), "big")
    index, behind = bits >> 55 & 15, 55
    if bits >> 59 == 31:
        raise BadFile("its AAC is of a kind that is not known")
    if index == 15:
        rate, behind = bits >> 31 & 0xFFFFFF, 31
    elif index < len(AAC_RATES):
        rate = AAC_RATES[index]
    else:
        raise BadFile("its AAC has a sampling rate that cannot be")
    channels = bits >> (behind - 4) & 15
    channels = 8 if channels == 7 else channels
    entry = audio(b"mp4a", described_stream(AAC, config), channels, rate)
    return Sound(entry, 960 if bits >> (behind - 5) & 1 else 1024)


def aac_config(header: bytes) -> bytes:
    """AudioSpecificConfig of an ADTS header (ISO/IEC 14496-3 1.A.2.2)."""
    profile, index = (header[2] >> 6) + 1, header[2] >> 2 & 15
    channels = (header[2] & 1) << 2 | header[3] >> 6
    return (profile << 11 | index << 7 | channels << 3).to_bytes(2, "big")


def opus(head: bytes) -> Sound:
    """From an identification header; raises BadFile."""
    if len(head) < 19 or head[:8] != b"OpusHead":
        raise BadFile("the description of its Opus ends early")
    channels, skip, rate, gain, family = struct.unpack_from("<BHIhB", head, 9)
    table = head[19 : 21 + channels] if family else b""
    made = struct.pack(">BBHIhB", 0, channels, skip, rate, gain, family) + table
    return Sound(audio(b"Opus", box(b"dOps", made), channels, 48_000))


def mpeg_audio(layer: int, channels: int, rate: int) -> Sound:
    """MP2 or MP3."""
    kind = MP3 if layer == 3 else MP2
    samples = 1152 if layer == 2 or rate >= 32_000 else 576
    return Sound(audio(b"mp4a", described_stream(kind, b""), channels, rate), samples)


def dolby(frame: bytes) -> Sound:
    """AC-3 or E-AC-3, from a frame; raises BadFile."""
    if len(frame) < 8 or frame[:2] != b"\x0b\x77":
        raise BadFile("its sound is no AC-3")
    identifier = frame[5] >> 3
    return _eac3(frame) if identifier > 10 else _ac3(frame)


def _ac3(frame: bytes) -> Sound:
    bits = int.from_bytes(frame[4:8], "big")
    code, rate_code = frame[4] >> 6, frame[4] & 0x3F
    if code == 3:
        raise BadFile("its AC-3 has a sampling rate that cannot be")
    identifier, mode, acmod = bits >> 19 & 31, bits >> 16 & 7, bits >> 13 & 7
    # Levels of mixing stand before the flag of the low frequencies (ETSI TS 102 366, 4.4.2).
    at = 13 - 2 * (acmod & 1 and acmod != 1) - 2 * bool(acmod & 4) - 2 * (acmod == 2)
    low = bits >> (at - 1) & 1
    made = (
        code << 22 | identifier << 17 | mode << 14 | acmod << 11 | low << 10 | rate_code >> 1 << 5
    )
    channels = _AC3_CHANNELS[acmod] + low
    return Sound(
        audio(b"ac-3", box(b"dac3", made.to_bytes(3, "big")), channels, _AC3_RATES[code]), 1536
    )


def _eac3(frame: bytes) -> Sound:
    size = (int.from_bytes(frame[2:4], "big") & 0x7FF) * 2 + 2
    code, second = frame[4] >> 6, frame[4] >> 4 & 3
    if code == 3:
        raise BadFile("its E-AC-3 has a halved sampling rate")
    blocks, rate = _AC3_BLOCKS[second], _AC3_RATES[code]
    acmod, low, identifier = frame[4] >> 1 & 7, frame[4] & 1, frame[5] >> 3
    kbits = size * 8 * rate // (256 * blocks) // 1000
    head = struct.pack(">H", (kbits & 0x1FFF) << 3)
    own = code << 22 | identifier << 17 | acmod << 9 | low << 8
    made = head + own.to_bytes(3, "big")
    channels = _AC3_CHANNELS[acmod] + low
    return Sound(audio(b"ec-3", box(b"dec3", made), channels, rate), 256 * blocks)


def dolby_size(frame: bytes) -> int:
    """Bytes of the frame that begins there; 0: none does (ETSI TS 102 366, 4.4.1 and E.1.2.2)."""
    if len(frame) < 6 or frame[:2] != b"\x0b\x77":
        return 0
    if frame[5] >> 3 > 10:
        return (int.from_bytes(frame[2:4], "big") & 0x7FF) * 2 + 2
    code, rate_code = frame[4] >> 6, frame[4] & 0x3F
    if code == 3 or rate_code >= 38:
        return 0
    kbits = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576,
             640)[rate_code >> 1]  # fmt: skip
    if code == 1:
        return 2 * (kbits * 96_000 // 44_100 + (rate_code & 1))
    return kbits * (4 if code == 0 else 6)


def vp8(frame: bytes) -> Entry:
    """VP8, from a key frame; raises BadFile."""
    found = vp8_key_frame(frame)
    if found is None:
        raise BadFile("its VP8 does not begin with a key frame")
    return _vpx(b"vp08", found, found.width, found.height)


def vp9(frame: bytes, width: int, height: int) -> Entry:
    """VP9, from a key frame (its uncompressed header); raises BadFile."""
    found = vp9_key_frame(frame)
    if found is None:
        raise BadFile("its VP9 does not begin with a key frame")
    return _vpx(b"vp09", found, width, height)


def _vpx(kind: bytes, found: KeyFrame, width: int, height: int) -> Entry:
    """VP Codec ISO Media File Format Binding 1.0, 2.2."""
    pixels = width * height
    level = 10 if pixels <= 36_864 else 21 if pixels <= 245_760 else 31 if pixels <= 983_040 else \
        41 if pixels <= 2_228_224 else 51  # fmt: skip
    chroma = 3 if kind == b"vp09" and found.profile & 1 else 1
    made = bytes((found.profile, level, found.depth << 4 | chroma << 1, 2, 2, 2, 0, 0))
    return video(kind, full_box(b"vpcC", 1, 0, made), width, height)
