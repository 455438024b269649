"""A segment of one track as fragmented MP4, made of the samples as they lie in the file.

One `moof` and one `mdat` (ISO/IEC 14496-12 8.8); nothing is decoded, and the time stamps are those
of the file on the common clock of its tracks.
"""

import struct
from array import array
from collections.abc import Sequence
from itertools import chain
from sys import byteorder

from media_streamer.files.disk import Changed, Read
from media_streamer.files.movie import FileTrack
from media_streamer.files.samples import Span
from media_streamer.syntax import boxes

_SYNC_SAMPLE = 0x02000000
_OTHER_SAMPLE = 0x01010000
"""sample_depends_on, sample_is_non_sync_sample (8.8.3.1)."""
_TFHD_FLAGS = 0x020020
"""Offsets count from `moof`; there are default flags."""
_RUN_VIDEO = 0x000F01
_RUN_AUDIO = 0x000301
"""data-offset, then duration, size (and flags, composition offset) of each sample (8.8.8.1)."""
MAX_GAP = 16 * 1024
"""Reading over it costs less than another call."""
_NOWHERE = memoryview(bytearray(MAX_GAP))
MAX_BUFFERS = 1000
"""In one call; the kernel takes 1024."""


def media_segment(track: FileTrack, number: int, first: int, end: int, read: Read) -> bytearray:
    """Samples `first` to before `end` as segment `number`; blocks. Raises Changed, OSError."""
    samples = track.samples
    return read_spans(samples.spans(first, end), read, head(track, number, first, end))


def head(track: FileTrack, number: int, first: int, end: int) -> bytes:
    """All of a segment but the samples themselves."""
    samples, count = track.samples, end - first
    sizes = samples.sizes(first, end)
    durations = samples.durations(first, end)
    if track.kind == "video":
        syncs, offsets = samples.sync_numbers(first, end), samples.offsets(first, end)
        flags = [
            _SYNC_SAMPLE if syncs is None or sample in syncs else _OTHER_SAMPLE
            for sample in range(first, end)
        ]
        shown = [offset & 0xFFFFFFFF for offset in offsets] if offsets else [0] * count
        fields = array("I", chain.from_iterable(zip(durations, sizes, flags, shown, strict=True)))
        run_flags = _RUN_VIDEO
    else:
        fields = array("I", chain.from_iterable(zip(durations, sizes, strict=True)))
        run_flags = _RUN_AUDIO
    if byteorder == "little":
        fields.byteswap()
    time = samples.time(first) + track.shift
    base = boxes.full_box(b"tfhd", 0, _TFHD_FLAGS, struct.pack(">II", 1, _SYNC_SAMPLE))
    decode = boxes.full_box(b"tfdt", 1, 0, struct.pack(">Q", time))
    sequence = boxes.full_box(b"mfhd", 0, 0, struct.pack(">I", number))
    run_bytes = 20 + len(fields) * 4
    moof_bytes = 8 + len(sequence) + 8 + len(base) + len(decode) + run_bytes
    run = boxes.full_box(
        b"trun", 1, run_flags, struct.pack(">II", count, moof_bytes + 8), fields.tobytes()
    )
    moof = boxes.box(b"moof", sequence, boxes.box(b"traf", base, decode, run))
    return moof + struct.pack(">I4s", 8 + samples.bytes(first, end), b"mdat")


def head_bytes(track: FileTrack, first: int, end: int) -> int:
    """How long `head` is."""
    return 100 + (16 if track.kind == "video" else 8) * (end - first)


def read_spans(spans: Sequence[Span], read: Read, head: bytes = b"") -> bytearray:
    """`head` and the bytes of the spans in one buffer; blocks. Raises Changed, OSError.

    What lies near to each other is read by one call, the gaps between into nowhere: pictures and
    sound are woven into each other, in pieces of a few kilobytes.
    """
    made = bytearray(len(head) + sum(span.size for span in spans))
    made[: len(head)] = head
    fill(memoryview(made), spans, read, len(head))
    return made


def fill(view: memoryview, spans: Sequence[Span], read: Read, at: int = 0) -> int:
    """The bytes of the spans from place `at` of a buffer on; returns where they end.

    Blocks. Raises Changed, OSError.
    """
    number = 0
    while number < len(spans):
        begin = end = spans[number].offset
        buffers: list[memoryview] = []
        while number < len(spans) and len(buffers) < MAX_BUFFERS:
            span = spans[number]
            gap = span.offset - end
            if not 0 <= gap <= MAX_GAP:
                break
            if gap:
                buffers.append(_NOWHERE[:gap])
            buffers.append(view[at : at + span.size])
            at, end, number = at + span.size, span.offset + span.size, number + 1
        if read.into(begin, buffers) != end - begin:
            raise Changed("the file is shorter than it was")
    return at
