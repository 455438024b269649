"""What decoders need to know of an initialisation section, without what describes it otherwise.

Two servers that record one stream, or one that got it by another protocol since, write different
sections for the same pictures and sound: rates that were measured, a zero behind a parameter set,
fields that repeat what the parameter sets say. Files whose essence is the same play as one. Pure.
"""

from media_streamer.syntax.boxes import box, boxes, find
from media_streamer.syntax.codec_strings import decoder_config

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_VISUAL_BYTES, _OTHER_BYTES = 78, 28
"""Of a sample entry before its boxes (ISO/IEC 14496-12 12.1.3, 12.2.3)."""
_NO_SBR = bytes.fromhex("56e500")
"""Behind the configuration of AAC: there is no other one (ISO/IEC 14496-3 1.6.2.1)."""


def essence(init: bytes) -> bytes:
    """The same for sections that mean the same; the section itself where it cannot be read."""
    try:
        return _boxes(init, 0, len(init), _OTHER_BYTES)
    except (ValueError, IndexError):
        return init


def _boxes(data: bytes, start: int, end: int, fixed: int) -> bytes:
    """The boxes of `data[start:end]`; `fixed`: what sample entries begin with."""
    return b"".join(
        _box(kind, data[begin:stop], fixed) for kind, begin, stop in boxes(data, start, end)
    )


def _box(kind: bytes, payload: bytes, fixed: int) -> bytes:
    if kind == b"btrt":
        return b""
    if kind in _CONTAINERS:
        if kind == b"mdia" and (handler := find(payload, b"hdlr")) is not None:
            fixed = _VISUAL_BYTES if handler[8:12] == b"vide" else _OTHER_BYTES
        return box(kind, _boxes(payload, 0, len(payload), fixed))
    if kind == b"stsd":
        entries = (
            box(name, payload[begin : begin + fixed], _boxes(payload, begin + fixed, stop, fixed))
            for name, begin, stop in boxes(payload, 8)
        )
        return box(kind, *entries)
    if kind == b"esds":
        object_type, specific = decoder_config(payload)
        return box(kind, bytes((object_type,)), specific.removesuffix(_NO_SBR))
    if kind == b"avcC":
        return box(kind, payload[:5], *_parameter_sets(payload))
    return box(kind, payload)


def _parameter_sets(record: bytes) -> list[bytes]:
    """Of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1): what lies behind them says
    again what they say."""
    found, at = [], 5
    for mask in (0x1F, 0xFF):
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            found.append(record[at + 2 : at + 2 + size].rstrip(b"\0"))
            at += 2 + size
        found.append(b"|")
    return found
