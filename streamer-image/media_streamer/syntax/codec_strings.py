"""RFC 6381 codec strings from the sample entry of an init segment.

The CODECS attribute of HLS and `MediaSource.isTypeSupported` need them exactly: players refuse a
rendition on a wrong profile or level before they read a byte of it.
"""

from media_streamer.syntax.boxes import sample_entry

# Object type indications of ISO/IEC 14496-1 7.2.6.6 as registered at mp4ra.org.
_OTI_AAC = 0x40
_TAG_DECODER_CONFIG = 0x04
_TAG_DECODER_SPECIFIC = 0x05
_TAG_ES = 0x03


def codec_string(init: bytes) -> str:
    """Codec string of the one track in `init`; raises ValueError if the entry is unknown."""
    kind, children = sample_entry(init)
    name = kind.decode("latin-1")
    match kind:
        case b"avc1" | b"avc3":
            return f"{name}.{children[b'avcC'][1:4].hex()}"
        case b"hvc1" | b"hev1":
            return f"{name}.{_hevc(children[b'hvcC'])}"
        case b"av01":
            return f"av01.{_av1(children[b'av1C'])}"
        case b"vp08" | b"vp09":
            profile, level, depth = children[b"vpcC"][4:7]
            return f"{name}.{profile:02d}.{level:02d}.{depth >> 4:02d}"
        case b"mp4a" | b"mp4v":
            return f"{name}.{_descriptors(children[b'esds'])}"
        case b"ac-3" | b"ec-3":
            return name
        case b"Opus":
            return "opus"
        case b".mp3":
            return "mp4a.6B"
        case b"alaw" | b"ulaw":  # of QuickTime: no browser has G.711 in MP4
            return name
        case _:
            raise ValueError(f"no codec string for sample entry {name!r}")


def _hevc(record: bytes) -> str:
    """ISO/IEC 14496-15 annex E.3 from an HEVCDecoderConfigurationRecord."""
    space = ("", "A", "B", "C")[record[1] >> 6]
    tier = "H" if record[1] & 0x20 else "L"
    profile = record[1] & 0x1F
    # Compatibility flags are written in reverse bit order, without leading zeros.
    flags = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    constraints = record[6:12].rstrip(b"\x00")
    tail = "".join(f".{byte:X}" for byte in constraints)
    return f"{space}{profile}.{flags:X}.{tier}{record[12]}{tail}"


def _av1(record: bytes) -> str:
    """AV1 Codec ISO Media File Format Binding 5 from an AV1CodecConfigurationRecord."""
    profile, level = record[1] >> 5, record[1] & 0x1F
    tier = "H" if record[2] & 0x80 else "M"
    high, twelve = record[2] & 0x40, record[2] & 0x20
    depth = 12 if high and twelve else 10 if high else 8
    return f"{profile}.{level:02d}{tier}.{depth:02d}"


def _descriptors(esds: bytes) -> str:
    """Object type and, for AAC, audio object type of an `esds` box."""
    object_type, specific = decoder_config(esds)
    if object_type != _OTI_AAC:
        return f"{object_type:02X}"
    return f"40.{_audio_object_type(specific)}"


def decoder_config(esds: bytes) -> tuple[int, bytes]:
    """Object type and DecoderSpecificInfo in an ES_Descriptor (ISO/IEC 14496-1 7.2.6).

    Raises ValueError if there is none, or if it ends early.
    """
    try:
        return _decoder_config(esds)
    except IndexError:
        raise ValueError("esds ends early") from None


def _decoder_config(esds: bytes) -> tuple[int, bytes]:
    position, object_type = 4, 0
    while position + 2 <= len(esds):
        tag = esds[position]
        length, position = _descriptor_length(esds, position + 1)
        if tag == _TAG_ES:
            flags = esds[position + 2]
            position += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
            position += 1 + esds[position] if flags & 0x40 else 0
        elif tag == _TAG_DECODER_CONFIG:
            object_type = esds[position]
            position += 13
        elif tag == _TAG_DECODER_SPECIFIC:
            return object_type, esds[position : position + length]
        else:
            position += length
    if not object_type:
        raise ValueError("esds without a decoder configuration")
    return object_type, b""


def _descriptor_length(data: bytes, position: int) -> tuple[int, int]:
    """Length in groups of 7 bits and the position behind it (ISO/IEC 14496-1 8.3.3)."""
    length = 0
    while position < len(data):
        byte = data[position]
        position += 1
        length = length << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return length, position


def _audio_object_type(config: bytes) -> int:
    """GetAudioObjectType of an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1)."""
    if len(config) < 2:
        raise ValueError("AudioSpecificConfig ends early")
    kind = config[0] >> 3
    return kind if kind != 31 else 32 + (int.from_bytes(config[:2], "big") >> 5 & 0x3F)
