"""Sample entries of files as players take them, and initialisation sections around them. Pure.

The description of the codec is copied from the file; all around it is written anew, for QuickTime
and old MP4 muxers write what players of fragments do not read (ISO/IEC 14496-12 8.16).
"""

import contextlib
import struct
from typing import NamedTuple

from media_streamer.files.tables import BadFile
from media_streamer.syntax import boxes

_IDENTITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_AUDIO_FIXED = 28
_VIDEO_FIXED = 78
_QUICKTIME_MORE = {0: 0, 1: 16, 2: 36}
"""Bytes that sound descriptions of QuickTime have more, by their version."""
_AUDIO_CHILDREN = (b"esds", b"dac3", b"dec3", b"dOps", b"dfLa", b"btrt")


class Entry(NamedTuple):
    """The sample entry of a track, as it is sent."""

    data: bytes
    kind: bytes
    width: int = 0
    height: int = 0
    channels: int = 0
    sample_rate: int = 0


def video_entry(table: bytes) -> Entry:
    """From the payload of `stsd`; raises BadFile."""
    kind, data = _only(table)
    if len(data) < 8 + _VIDEO_FIXED:
        raise BadFile("a description of video ends early")
    width, height = struct.unpack_from(">HH", data, 32)
    return Entry(data, kind, width=width, height=height)


def audio_entry(table: bytes) -> Entry:
    """The same of sound."""
    kind, data = _only(table)
    if len(data) < 8 + _AUDIO_FIXED:
        raise BadFile("a description of sound ends early")
    version = int.from_bytes(data[16:18], "big")
    more = _QUICKTIME_MORE.get(version)
    if more is None:
        raise BadFile("a description of sound has a version that is not known")
    children: dict[bytes, bytes] = {}
    for name, begin, end in _boxes(data, 8 + _AUDIO_FIXED + more):
        children[name] = data[begin - 8 : end]
        if name == b"wave":
            children |= {
                inner: data[first - 8 : last] for inner, first, last in _boxes(data, begin, end)
            }
    kept = [children[name] for name in _AUDIO_CHILDREN if name in children]
    channels = int.from_bytes(data[24:26], "big")
    sample_rate = int.from_bytes(data[32:34], "big")
    if version == 2:
        sample_rate, channels = int(struct.unpack_from(">d", data, 40)[0]), data[51]
    fixed = struct.pack(
        ">6xHQHHIHH", 1, 0, min(channels, 0xFFFF), 16, 0, min(sample_rate, 0xFFFF), 0
    )
    made = boxes.box(kind, fixed, *kept)
    return Entry(made, kind, channels=channels, sample_rate=sample_rate)


def _boxes(data: bytes, start: int, end: int | None = None) -> list[tuple[bytes, int, int]]:
    """Those that fit; QuickTime ends lists of them with four zeros."""
    found: list[tuple[bytes, int, int]] = []
    with contextlib.suppress(ValueError):
        found.extend(boxes.boxes(data, start, end))  # what came before the one that does not fit
    return found


def _only(table: bytes) -> tuple[bytes, bytes]:
    found = _boxes(table, 8)
    if len(found) != 1:
        raise BadFile(f"a track has {len(found)} descriptions of its codec, one is played")
    kind, begin, end = found[0]
    return kind, table[begin - 8 : end]


def init_section(
    entry: bytes,
    handler: bytes,
    timescale: int,
    language: int = 0x55C4,
    matrix: bytes = b"",
    *,
    size: tuple[int, int] = (0, 0),
) -> bytes:
    """`ftyp` and `moov` of a fragmented file with this track alone, number 1.

    `language`: as in `mdhd` (8.4.2). `matrix`: of `tkhd`, how the picture is turned. `size` in
    pixels as it is shown.
    """  # fmt: skip
    video = handler == b"vide"
    header = struct.pack(
        ">IIIII8xHHHH36sII",
        0, 0, 1, 0, 0, 0, 0, 0 if video else 0x100, 0,
        matrix if len(matrix) == 36 else _IDENTITY,
        min(size[0], 0xFFFF) << 16, min(size[1], 0xFFFF) << 16,
    )  # fmt: skip
    media_header = (
        boxes.full_box(b"vmhd", 0, 1, bytes(8))
        if video
        else boxes.full_box(b"smhd", 0, 0, bytes(4))
    )
    reference = boxes.full_box(b"url ", 0, 1)
    table = boxes.box(
        b"stbl",
        boxes.full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        boxes.full_box(b"stts", 0, 0, bytes(4)),
        boxes.full_box(b"stsc", 0, 0, bytes(4)),
        boxes.full_box(b"stsz", 0, 0, bytes(8)),
        boxes.full_box(b"stco", 0, 0, bytes(4)),
    )
    media = boxes.box(
        b"mdia",
        boxes.full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, language, 0)),
        boxes.full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"\0"),
        boxes.box(
            b"minf",
            media_header,
            boxes.box(b"dinf", boxes.full_box(b"dref", 0, 0, struct.pack(">I", 1), reference)),
            table,
        ),
    )
    movie_header = struct.pack(">IIIIIH10x36s24xI", 0, 0, 1000, 0, 0x10000, 0x100, _IDENTITY, 2)
    movie = boxes.box(
        b"moov",
        boxes.full_box(b"mvhd", 0, 0, movie_header),
        boxes.box(b"trak", boxes.full_box(b"tkhd", 0, 3, header), media),
        boxes.box(b"mvex", boxes.full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))),
    )
    brands = b"iso6\0\0\0\1iso6iso5mp41dash"
    return boxes.box(b"ftyp", brands) + movie
