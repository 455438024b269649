"""Frames out of the PES packets of a track, in the form in which MP4 stores them. Pure."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from media_streamer.files import descriptions
from media_streamer.files.descriptions import Sound
from media_streamer.files.headers import Entry
from media_streamer.files.outline import Found
from media_streamer.files.tables import BadFile
from media_streamer.files.ts_packets import VIDEOS, Pes, near
from media_streamer.syntax import mpeg_audio, nal, records
from media_streamer.syntax.boxes import box

TICKS = 90_000
_SEI, _RECOVERY_POINT = 6, 6
_SEQUENCE_HEADER, _PICTURE = b"\0\0\1\xb3", b"\0\0\1\0"
_HEVC_KEYS = range(16, 24)
_OTHERS = {
    "h264": re.compile(rb"\x00\x00\x01[\x01\x21\x41\x61]"),
    "hevc": re.compile(rb"\x00\x00\x01[\x00-\x1f]"),
    "mpeg2video": re.compile(re.escape(_PICTURE)),
}
"""Slices of pictures that need others."""
_BEFORE_KEYS = (b"\0\0\1\x06\x06", _SEQUENCE_HEADER)
"""A point of recovery, a sequence."""
MAX_HEADER = 4096
"""Bytes that are searched for where audio begins anew."""
Head = Callable[[bytes, int], tuple[int, int, int] | None]
"""At a place: bytes of the frame, bytes of its header that is left out, ticks; None: none begins
there."""


class Description(NamedTuple):
    """What is known of a track by its first frames."""

    entry: Entry
    codec: str
    """FFmpeg's name."""
    known: frozenset[bytes] = frozenset()
    """Parameter sets that the entry holds."""


def is_key(codec: str, data: bytes) -> bool:
    """Whether decoding can start with a picture, as far as its first bytes tell (annex B)."""
    if codec == "mpeg2video":
        return _SEQUENCE_HEADER in data
    return has_key(codec, nal.split_annex_b(data))


def cannot_be_key(codec: str, packet: bytes) -> bool:
    """Whether the first transport packet of a picture shows already that decoding cannot start
    there: most pictures need no more."""
    if _OTHERS[codec].search(packet) is None:
        return False
    return not any(code in packet for code in _BEFORE_KEYS)


def has_key(codec: str, units: Sequence[bytes]) -> bool:
    """The same by NAL units: an IDR or IRAP picture, or one at which recovery begins."""
    if codec == "hevc":
        return any(unit[0] >> 1 & 0x3F in _HEVC_KEYS for unit in units)
    return any(
        unit[0] & 0x1F == 5 or (unit[0] & 0x1F == _SEI and unit[1:2] == bytes((_RECOVERY_POINT,)))
        for unit in units
    )


def describe(codec: str, found: Sequence[Pes]) -> Description:
    """From the first PES packets of a track; raises BadFile."""
    if codec in nal.NAL_TYPES:
        return _describe_nal(codec, found)
    if codec == "mpeg2video":
        return _describe_mpeg2(found)
    data = b"".join(one.data for one in found[:16])
    at = _first(data, HEADS[codec])
    if at is None:
        raise BadFile(f"no frame of {codec} was found")
    sound, name = _describe_sound(codec, data[at:])
    return Description(sound.entry, name)


def _describe_sound(codec: str, frame: bytes) -> tuple[Sound, str]:
    if codec == "aac":
        return descriptions.aac(descriptions.aac_config(frame)), "aac"
    if codec == "mpa":
        layer = 4 - (frame[1] >> 1 & 3)
        _, seconds = mpeg_audio.frame(frame[:4]) or (0, 0.0)
        samples = 384 if layer == 1 else 576 if layer == 3 and not frame[1] & 8 else 1152
        rate = round(samples / seconds) if seconds else 48_000
        channels = 1 if frame[3] >> 6 == 3 else 2
        return descriptions.mpeg_audio(layer, channels, rate), "mp3" if layer == 3 else "mp2"
    return descriptions.dolby(frame), codec


def _describe_nal(codec: str, found: Sequence[Pes]) -> Description:
    types = nal.NAL_TYPES[codec]
    for one in found:
        units = nal.split_annex_b(one.data)
        sets = [unit for unit in units if unit[0] >> types.shift & types.mask in (
            types.parameter_sets)]  # fmt: skip
        try:
            record = records.record(codec, sets) if sets else b""
            width, height = records.picture_size(codec, sets)
        except (ValueError, IndexError):
            continue
        if record:
            kind, name = (b"avc1", b"avcC") if codec == "h264" else (b"hvc1", b"hvcC")
            entry = descriptions.video(kind, box(name, record), width, height)
            return Description(entry, codec, frozenset(sets))
    raise BadFile(f"no parameter sets of {codec} were found")


def _describe_mpeg2(found: Sequence[Pes]) -> Description:
    for one in found:
        begin = one.data.find(_SEQUENCE_HEADER)
        if begin < 0 or len(one.data) < begin + 12:
            continue
        size = int.from_bytes(one.data[begin + 4 : begin + 7], "big")
        end = one.data.find(_PICTURE, begin)
        group = one.data.find(b"\0\0\1\xb8", begin)
        ends = [place for place in (end, group) if place > 0]
        header = one.data[begin : min(ends, default=begin + 12)][:1024]
        config = descriptions.described_stream(descriptions.MPEG2_VIDEO, header)
        return Description(
            descriptions.video(b"mp4v", config, size >> 12, size & 0xFFF), "mpeg2video"
        )
    raise BadFile("no sequence header of MPEG-2 was found")


def pictures(codec: str, found: Sequence[Pes], time: int, known: frozenset[bytes]) -> list[Found]:
    """A picture for each PES packet; one without a time stamp goes on with the one before."""
    joined: list[Pes] = []
    for one in found:
        if one.pts is None and joined:
            joined[-1] = joined[-1]._replace(data=joined[-1].data + one.data)
        elif one.pts is not None:
            joined.append(one)
    made = []
    for one in joined:
        assert one.pts is not None
        pts = near(one.pts, time)
        dts = pts if one.dts is None else min(pts, near(one.dts, time))
        key, data = _picture(codec, one.data, known)
        if data:
            made.append(Found(pts, dts, 0, key, data))
    return made


def _picture(codec: str, data: bytes, known: frozenset[bytes]) -> tuple[bool, bytes]:
    if codec == "mpeg2video":
        return _SEQUENCE_HEADER in data, data
    types = nal.NAL_TYPES[codec]
    units = nal.split_annex_b(data)
    kinds = [unit[0] >> types.shift & types.mask for unit in units]
    if types.slices.isdisjoint(kinds):
        return False, b""
    # Before a point of recovery they stay: there no muxer puts them back.
    described = frozenset() if types.random_access.isdisjoint(kinds) else known
    kept = [
        unit
        for unit, kind in zip(units, kinds, strict=True)
        if kind not in types.dropped and unit not in described
    ]
    return has_key(codec, units), nal.join_length_prefixed(kept)


def _aac_head(data: bytes, at: int) -> tuple[int, int, int] | None:
    head = data[at : at + 7]
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    index, own = head[2] >> 2 & 15, 7 if head[1] & 1 else 9
    if size <= own or index >= len(descriptions.AAC_RATES):
        return None
    blocks = (head[6] & 3) + 1
    return size, own, 1024 * blocks * TICKS // descriptions.AAC_RATES[index]


def _mpeg_head(data: bytes, at: int) -> tuple[int, int, int] | None:
    found = mpeg_audio.frame(data[at : at + 4])
    return None if found is None or found[0] < 4 else (found[0], 0, round(found[1] * TICKS))


def _dolby_head(data: bytes, at: int) -> tuple[int, int, int] | None:
    head = data[at : at + 8]
    size = descriptions.dolby_size(head)
    if size < 8:
        return None
    try:
        sound = descriptions.dolby(head)
    except BadFile:
        return None
    return size, 0, sound.frame_samples * TICKS // sound.entry.sample_rate


HEADS: dict[str, Head] = {
    "aac": _aac_head, "mpa": _mpeg_head, "mp2": _mpeg_head, "mp3": _mpeg_head,
    "ac3": _dolby_head, "eac3": _dolby_head,
}  # fmt: skip


def _first(data: bytes, head: Head, at: int = 0) -> int | None:
    """Where a frame begins, and another one behind it or the data end."""
    for place in range(at, min(len(data), at + MAX_HEADER)):
        found = head(data, place)
        if found is not None:
            behind = place + found[0]
            if behind >= len(data) - 8 or head(data, behind) is not None:
                return place
    return None


def sounds(codec: str, found: Sequence[Pes], more: bytes, time: int) -> list[Found]:
    """The frames that begin in PES packets; `more`: what follows, for the end of the last one."""
    head = HEADS[codec]
    begins, at = [], 0
    for one in found:
        begins.append((at, one.pts))
        at += len(one.data)
    end = at
    data = b"".join([*(one.data for one in found), more])
    made: list[Found] = []
    place, pts, number = _first(data, head), None, 0
    while place is not None and place < end:
        seen = head(data, place)
        if seen is None:
            place = _first(data, head, place + 1)
            continue
        size, own, ticks = seen
        while number < len(begins) and begins[number][0] <= place:
            stamp = begins[number][1]
            pts = near(stamp, time) if stamp is not None else pts
            number += 1
        if place + size > len(data):
            break
        if pts is not None:
            made.append(Found(pts, pts, ticks, True, data[place + own : place + size]))
            pts += ticks
        place += size
    return made


def is_video(codec: str) -> bool:
    """Whether it is one of pictures."""
    return codec in VIDEOS
