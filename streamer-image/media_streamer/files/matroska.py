"""Matroska and WebM: what is in a file, by its head and its index (RFC 9559). Blocks on the disk.

The head names the tracks, the index (Cues) the places of key frames; both are found without the
media. A file without an index, as a browser or a live encoder writes it, is walked from block to
block, which reads their heads and no more where clusters say how long they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from media_streamer.files import ebml
from media_streamer.files.disk import Read
from media_streamer.files.ebml import Window, fields, number
from media_streamer.files.headers import Entry
from media_streamer.files.matroska_blocks import (
    CLUSTER,
    GROUP,
    SIMPLE,
    TIMESTAMP,
    Blocks,
    MatroskaTrack,
    look,
)
from media_streamer.files.matroska_codecs import NAMES, NEED_FRAME, describe, is_played
from media_streamer.files.matroska_text import FORMS, MatroskaText
from media_streamer.files.movie import MAX_SECONDS, MAX_TRACKS, Movie
from media_streamer.files.outline import Container, Mark, increasing, measured, outlined
from media_streamer.files.outlined import Described, movie_of
from media_streamer.files.tables import BadFile

MAGIC = b"\x1a\x45\xdf\xa3"
MAX_HEAD_BYTES = 32 * 1024 * 1024
"""Of the tracks or the index: an index of a day with a key frame a second has 2 MB."""
MAX_TOP = 1000
"""Elements before the first cluster."""
MAX_WALKED = 4_000_000
MAX_TICKS = 1 << 40
_SEGMENT, _SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_AT = 0x18538067, 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_INFO, _SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _ENTRY, _NUMBER, _KIND, _CODEC, _PRIVATE = 0x1654AE6B, 0xAE, 0xD7, 0x83, 0x86, 0x63A2
_EACH, _DELAY, _LANGUAGE, _LANGUAGE_TAG = 0x23E383, 0x56AA, 0x22B59C, 0x22B59D
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_AUDIO, _RATE, _CHANNELS = 0xE1, 0xB5, 0x9F
_ENCODINGS, _ENCODING, _COMPRESSION, _ENCRYPTION = 0x6D80, 0x6240, 0x5034, 0x5035
_ALGORITHM, _SETTINGS = 0x4254, 0x4255
_CUES, _POINT, _TIME, _POSITIONS = 0x1C53BB6B, 0xBB, 0xB3, 0xB7
_CUE_TRACK, _CUE_CLUSTER, _CUE_INSIDE = 0xF7, 0xF1, 0xF0
_KINDS = {1: "video", 2: "audio", 17: "text"}


@dataclass(slots=True)
class _Head:
    """What stands before and behind the media."""

    begin: int
    """Of what is in the segment: places count from there."""
    cluster: int = -1
    """The first one."""
    parts: dict[int, bytes] = field(default_factory=dict)
    seeks: dict[int, int] = field(default_factory=dict)
    """Where parts lie, by kind."""


def read_matroska(read: Read, size: int) -> Movie:
    """What is in a file; raises BadFile, Changed, OSError."""
    window = Window(read, size)
    head = _head(window)
    info = fields(head.parts.get(_INFO, b""))
    scale = number(info.get(_SCALE), 1_000_000) or 1_000_000
    ticks = 1_000_000_000 // scale
    if not 0 < ticks <= 1_000_000_000 or ticks * scale != 1_000_000_000:
        raise BadFile(f"its clock has ticks of {scale} ns, which are no part of a second")
    tracks, texts, left_out = _tracks(head.parts.get(_TRACKS, b""), scale)
    main = next((one for one in tracks if one.kind == "video"), tracks[0] if tracks else None)
    if main is None:
        raise BadFile("the file has no track that can be played: " + "; ".join(left_out[:4]))
    end_time, cues = _duration(info), _cues(head, size)
    marks = increasing(cues.get(main.number, []))
    if marks:
        marks[0] = Mark(head.cluster, marks[0].time)
        marks = increasing(marks)
    else:
        marks, end_time = increasing(list(_walk(window, head.cluster, main.number))), 0
    if not marks:
        raise BadFile("there is no picture in the file at which decoding can start")
    container: Container = Blocks(tracks, marks, end_time, ticks, size)
    tracks, entries, more = _described(container, tracks, read, size)
    left_out += more
    container = Blocks(tracks, marks, end_time, ticks, size)
    outline = outlined(container, read, size, len(tracks))
    if outline.end - outline.base > MAX_SECONDS * ticks:
        raise BadFile(f"it is longer than {MAX_SECONDS} s")
    start = marks[0].time
    shown = tuple(
        MatroskaText(one, ticks, start, tuple(marks), tuple(cues.get(one.number, ())), size)
        for one in texts
    )
    return movie_of(
        outline,
        [
            Described(one.kind, entry, one.language, _fps(one, ticks), NAMES.get(one.codec, ""))
            for one, entry in zip(tracks, entries, strict=True)
        ],
        size,
        left_out,
        shown,
    )


def _fps(track: MatroskaTrack, ticks: int) -> float:
    return round(ticks / track.each, 3) if track.kind == "video" and track.each else 0.0


def _described(
    container: Container, tracks: Sequence[MatroskaTrack], read: Read, size: int
) -> tuple[list[MatroskaTrack], list[Entry], list[str]]:
    """The tracks that can be sent, what they are, and why others cannot."""
    firsts: list[bytes] = [b""] * len(tracks)
    if any(track.codec in NEED_FRAME for track in tracks):
        found = container.read_stretch(read, 0, measured(container, size))
        firsts = [next((one.data for one in own if one.key), b"") for own in found]
    kept, entries, left_out = [], [], []
    for track, first in zip(tracks, firsts, strict=True):
        try:
            entry, samples = describe(track, first)
        except BadFile as error:
            left_out.append(f"track {track.number}: {error}")
            continue
        each = track.each
        if track.kind == "audio" and samples and entry.sample_rate:
            each = round(Fraction(samples * container.ticks, entry.sample_rate))
        kept.append(replace(track, each=each))
        entries.append(entry)
    if not kept:
        raise BadFile("the file has no track that can be played: " + "; ".join(left_out[:4]))
    return kept, entries, left_out


def _tracks(data: bytes, scale: int) -> tuple[list[MatroskaTrack], list[MatroskaTrack], list[str]]:
    """Pictures and sounds, texts, and what is left out."""
    media, texts, left_out = list[MatroskaTrack](), list[MatroskaTrack](), list[str]()
    for one in ebml.children(data):
        if one.kind != _ENTRY:
            continue
        try:
            track = _track(fields(data, one.begin, one.end), scale)
        except BadFile as error:
            left_out.append(str(error))
            continue
        if len(media) + len(texts) >= MAX_TRACKS:
            left_out.append(f"track {track.number}: only {MAX_TRACKS} are played")
            break
        (texts if track.kind == "text" else media).append(track)
    media.sort(key=lambda track: track.kind != "video")
    return media, texts, left_out


def _track(said: dict[int, bytes], scale: int) -> MatroskaTrack:
    """Raises BadFile."""
    own = number(said.get(_NUMBER))
    kind, codec = _KINDS.get(number(said.get(_KIND)), ""), ebml.text(said.get(_CODEC))
    if not kind or not (codec in FORMS if kind == "text" else is_played(codec)):
        raise BadFile(f"track {own}: {codec or 'a track without a codec'} is not played")
    stripped, deflated = _compression(said.get(_ENCODINGS, b""), own)
    if deflated and kind != "text":
        raise BadFile(f"track {own}: packed media are not played")
    video, audio = fields(said.get(_VIDEO, b"")), fields(said.get(_AUDIO, b""))
    language = ebml.text(said.get(_LANGUAGE)) or ebml.text(said.get(_LANGUAGE_TAG)) or "eng"
    return MatroskaTrack(
        number=own,
        kind=kind,
        codec=codec,
        private=said.get(_PRIVATE, b""),
        language="" if language == "und" else language[:35],
        width=number(video.get(_WIDTH)) & 0xFFFF,
        height=number(video.get(_HEIGHT)) & 0xFFFF,
        channels=number(audio.get(_CHANNELS), 1) & 0xFF,
        rate=min(max(0, round(ebml.real(audio.get(_RATE)))), 1 << 20),
        each=round(number(said.get(_EACH)) / scale),
        delay=round(number(said.get(_DELAY)) / scale),
        stripped=stripped,
        deflated=deflated,
    )


def _compression(encodings: bytes, track: int) -> tuple[bytes, bool]:
    """What was taken from each frame, and whether it is packed (RFC 9559, 5.1.4.1.31)."""
    stripped, deflated = b"", False
    for one in ebml.children(encodings):
        if one.kind != _ENCODING:
            continue
        said = fields(encodings, one.begin, one.end)
        if _ENCRYPTION in said:
            raise BadFile(f"track {track} is encrypted")
        packing = fields(said.get(_COMPRESSION, b""))
        algorithm = number(packing.get(_ALGORITHM))
        if algorithm == 3:
            stripped = packing.get(_SETTINGS, b"") + stripped
        elif algorithm == 0:
            deflated = True
        else:
            raise BadFile(f"track {track} is packed in a form that is not known")
    return stripped, deflated


def _head(window: Window) -> _Head:
    """Raises BadFile, OSError."""
    first = window.element(0)
    if first is None or window.bytes(0, 4) != MAGIC or first.end < 0:
        raise BadFile("it is no Matroska file")
    segment = window.element(first.end)
    while segment is not None and segment.kind == 0xEC and segment.end > segment.at:  # Void
        segment = window.element(segment.end)
    if segment is None or segment.kind != _SEGMENT:
        raise BadFile("the file has no segment: it is not complete")
    head = _Head(segment.begin)
    at = segment.begin
    for _ in range(MAX_TOP):
        one = window.element(at)
        if one is None:
            break
        if one.kind == CLUSTER:
            head.cluster = at
            break
        if one.end < 0:
            raise BadFile("a part of the file before the media does not say how long it is")
        _take(window, head, one)
        at = one.end
    if head.cluster < 0:
        raise BadFile("the file has no media: it is not complete")
    for kind in (_INFO, _TRACKS, _CUES):
        place = head.seeks.get(kind)
        if kind not in head.parts and place is not None:
            _look(window, head, kind, place)
    return head


def _take(window: Window, head: _Head, one: ebml.Element) -> None:
    if one.kind not in {_SEEK_HEAD, _INFO, _TRACKS, _CUES}:
        return
    if one.end - one.begin > MAX_HEAD_BYTES:
        raise BadFile(f"a part of the file before the media has more than {MAX_HEAD_BYTES} bytes")
    data = window.bytes(one.begin, one.end - one.begin)
    if one.kind != _SEEK_HEAD:
        head.parts.setdefault(one.kind, data)
        return
    for seek in ebml.children(data):
        if seek.kind != _SEEK:
            continue
        found = fields(data, seek.begin, seek.end)
        head.seeks.setdefault(number(found.get(_SEEK_ID)), head.begin + number(found.get(_SEEK_AT)))


def _look(window: Window, head: _Head, kind: int, place: int) -> None:
    """A part behind the media; one that is not there was cut off, or never written."""
    if not head.begin <= place < window.size:
        return
    try:
        one = window.element(place)
        if one is not None and one.kind == kind and one.begin <= one.end <= window.size:
            _take(window, head, one)
    except BadFile:
        return


def _duration(info: dict[int, bytes]) -> int:
    """In ticks, 0: not known."""
    found = ebml.real(info.get(_DURATION))
    return round(found) if 0 < found < MAX_TICKS else 0


def _cues(head: _Head, size: int) -> dict[int, list[Mark]]:
    """Places of the index, by the number of the track."""
    found: dict[int, list[Mark]] = {}
    data = head.parts.get(_CUES, b"")
    for point in ebml.children(data):
        if point.kind != _POINT:
            continue
        inner = list(ebml.children(data, point.begin, point.end))
        time = next((number(data[e.begin : e.end]) for e in inner if e.kind == _TIME), None)
        for one in inner:
            if one.kind != _POSITIONS or time is None or time > MAX_TICKS:
                continue
            said = fields(data, one.begin, one.end)
            place = head.begin + number(said.get(_CUE_CLUSTER))
            inside = number(said.get(_CUE_INSIDE))
            if head.cluster <= place and place + inside < size:
                found.setdefault(number(said.get(_CUE_TRACK)), []).append(Mark(place, time, inside))
    return found


def _walk(window: Window, at: int, main: int) -> Iterator[Mark]:
    """Key frames of a track by the heads of blocks; of a cluster that says where it ends, the first
    block of the track only."""
    cluster, begin, end, time = at, at, -1, 0
    is_first = True
    for _ in range(MAX_WALKED):
        try:
            one = window.element(at)
        except BadFile:
            return
        if one is None:
            return
        at = one.begin if one.kind == CLUSTER or one.end < 0 else one.end
        if one.kind == CLUSTER:
            cluster, begin, end, is_first = one.at, one.begin, one.end, True
        elif one.kind == TIMESTAMP:
            time = number(window.bytes(one.begin, min(8, one.end - one.begin)))
        elif one.kind in (SIMPLE, GROUP):
            seen = look(window, one)
            if seen is None or seen.track != main:
                continue
            if seen.key:
                yield Mark(cluster, time + seen.time, 0 if is_first else one.at - begin)
            if end > at:
                at = end
            is_first = False
    raise BadFile("the file has no index, and more blocks than are walked")
