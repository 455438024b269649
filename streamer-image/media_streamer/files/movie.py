"""What is in an MP4 or QuickTime file: its tracks, read from its tables without its media.

`read` gives bytes of the file: a few requests, one of which may be megabytes. Everything has a
bound, and what cannot be played says why in BadFile (ISO/IEC 14496-12 4.2, 8.2 to 8.6).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from media_streamer.files.cues import Cue
from media_streamer.files.disk import Read
from media_streamer.files.fragments import FragmentedTrack, read_fragments
from media_streamer.files.headers import Entry, audio_entry, init_section, video_entry
from media_streamer.files.outline import Outline
from media_streamer.files.samples import Samples
from media_streamer.files.tables import BadFile, read_samples
from media_streamer.syntax.codec_strings import codec_string

MAX_HEADER_BYTES = 128 * 1024 * 1024
"""`moov` of two days of film."""
MAX_BOXES = 4096
MAX_TRACKS = 32
MAX_SECONDS = 30 * 86_400
MAX_TIMESCALE = 1 << 31
_KINDS = {b"vide": "video", b"soun": "audio"}
_TEXT_HANDLERS = (b"sbtl", b"text", b"subt")
_TEXT_FORMS = (b"tx3g", b"text", b"wvtt")


@dataclass(frozen=True, slots=True)
class FileTrack:
    """A track that can be sent."""

    name: str
    kind: str
    """`video` or `audio`."""
    codecs: str
    """RFC 6381."""
    timescale: int
    """Ticks a second."""
    init: bytes
    """Its initialisation section; it is track 1 there."""
    samples: Samples
    shift: int
    """Ticks from decode time to the clock that all tracks of the file share; never negative."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    channels: int = 0
    sample_rate: int = 0
    language: str = ""
    file: int = 0
    """Which one of a set it lies in."""
    codec: str = ""
    """FFmpeg's name, where `codecs` does not tell."""

    def seconds(self, sample: int) -> Fraction:
        """When a sample is decoded on the common clock."""
        return Fraction(self.samples.time(sample) + self.shift, self.timescale)


@dataclass(frozen=True, slots=True)
class TextTrack:
    """A track of subtitles."""

    form: bytes
    """Of its samples, as in the sample entry."""
    timescale: int
    samples: Samples
    start: Fraction
    """Seconds from decode time to the time of the film."""
    language: str
    file: int = 0
    """Which one of a set it lies in."""

    @property
    def held_bytes(self) -> int:
        """Memory that it takes, about."""
        return self.samples.held_bytes


class FoundText(Protocol):
    """A track of subtitles without tables, in a file that is no set."""

    @property
    def language(self) -> str: ...

    @property
    def held_bytes(self) -> int: ...

    def cues(self, begin: float, end: float, read: Read) -> list[Cue]:
        """What is shown from `begin` to before `end`, in seconds of the film.

        Raises BadFile, Changed, OSError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Movie:
    """A file."""

    tracks: tuple[FileTrack, ...]
    """Pictures and sounds."""
    zero: Fraction
    """When on the common clock the first picture is shown, in seconds: what comes before it is
    decoded only."""
    seconds: float
    """From there to the end of the longest track."""
    left_out: tuple[str, ...] = ()
    """Tracks that are not sent, and why."""
    texts: tuple[TextTrack | FoundText, ...] = ()
    outline: Outline | None = None
    """Samples stand for stretches, which are read to find what is in them."""


@dataclass(slots=True)
class _Found:
    """A track as its tables say it."""

    number: int
    kind: str
    entry: Entry
    codecs: str
    timescale: int
    init: bytes
    samples: Samples
    start: Fraction
    """Seconds from decode time to presentation time by the edit list; may be negative."""
    language: str


def read_movie(read: Read, size: int) -> Movie:
    """What is in a file of `size` bytes; raises BadFile, OSError."""
    header = _find_header(read, size)
    try:
        return _movie(header, size, read)
    except BadFile:
        raise
    except (struct.error, ValueError, IndexError, OverflowError):
        raise BadFile("the header of the file is broken") from None


def _find_header(read: Read, size: int) -> bytes:
    """The payload of `moov`."""
    position = 0
    for _ in range(MAX_BOXES):
        head = read(position, 16)
        if len(head) < 8:
            break
        length, kind = struct.unpack_from(">I4s", head)
        begin = 8
        if length == 1 and len(head) == 16:
            length, begin = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = size - position
        if position == 0 and not kind.isalnum():
            break
        if length < begin:
            raise BadFile("a box of the file is shorter than its head")
        if kind == b"moov":
            if length - begin > MAX_HEADER_BYTES:
                raise BadFile(f"the header of the file is longer than {MAX_HEADER_BYTES} bytes")
            found = read(position + begin, length - begin)
            if len(found) < length - begin:
                raise BadFile("the file ends within its header: it is not complete")
            return found
        position += length
    raise BadFile("the file has no header (moov): it is no MP4, or not complete")


def _movie(header: bytes, size: int, read: Read) -> Movie:
    top = list(_children(header))
    extends = next((data for kind, data in top if kind == b"mvex"), None)
    fragments = {} if extends is None else read_fragments(read, size, extends)
    scale = next((_scale(data) for kind, data in top if kind == b"mvhd"), 1000)
    found: list[_Found] = []
    texts: list[TextTrack] = []
    left_out: list[str] = []
    tracks = [data for kind, data in top if kind == b"trak"]
    chapters = _chapters(tracks)
    for number, data in enumerate(tracks, start=1):
        if len(found) + len(texts) >= MAX_TRACKS:
            left_out.append(f"track {number}: only {MAX_TRACKS} are played")
            break
        try:
            if (text := _text_track(data, scale, size, fragments)) is not None:
                if _number(dict(_children(data)).get(b"tkhd", b"")) not in chapters:
                    texts.append(text)
                continue
            track = _track(number, data, scale, size, fragments)
            track.samples.keep_below(size)
            _check(track)
            found.append(track)
        except (BadFile, ValueError, KeyError, struct.error, IndexError) as error:
            left_out.append(f"track {number}: {error}")
    if not found:
        raise BadFile("the file has no track that can be played: " + "; ".join(left_out[:4]))
    return _on_one_clock(found, tuple(left_out), tuple(texts))


def _check(track: _Found) -> None:
    samples = track.samples
    if not samples.count:
        raise BadFile("it has no samples")
    if samples.time(samples.count) > MAX_SECONDS * track.timescale:
        raise BadFile(f"it is longer than {MAX_SECONDS} s")
    if abs(track.start) > MAX_SECONDS:
        raise BadFile("its edit list says what cannot be")


def _on_one_clock(
    found: list[_Found], left_out: tuple[str, ...], texts: tuple[TextTrack, ...]
) -> Movie:
    """No decode time may be negative: all tracks move on by what one needs for that."""
    zero = max(Fraction(0), *(-track.start for track in found))
    counts = {"video": 0, "audio": 0}
    tracks = []
    for one in found:
        counts[one.kind] += 1
        samples, entry = one.samples, one.entry
        duration = samples.time(samples.count)
        fps = samples.count * one.timescale / duration if duration else 0.0
        tracks.append(
            FileTrack(
                name=f"{one.kind[0]}{counts[one.kind]}",
                kind=one.kind,
                codecs=one.codecs,
                timescale=one.timescale,
                init=one.init,
                samples=samples,
                shift=round((zero + one.start) * one.timescale),
                width=entry.width,
                height=entry.height,
                fps=round(fps, 3) if one.kind == "video" else 0.0,
                channels=entry.channels,
                sample_rate=entry.sample_rate,
                language=one.language,
            )
        )
    end = max(track.seconds(track.samples.count) for track in tracks)
    return Movie(tuple(tracks), zero, float(max(Fraction(0), end - zero)), left_out, texts)


def _track(
    number: int,
    data: bytes,
    movie_scale: int,
    file_size: int,
    fragments: Mapping[int, FragmentedTrack],
) -> _Found:
    boxes_of = dict(_children(data))
    media = dict(_children(boxes_of[b"mdia"]))
    handler = media[b"hdlr"][8:12]
    if handler not in _KINDS:
        raise BadFile(f"{handler.decode('latin-1')!r} is neither video nor sound")
    table = dict(_children(dict(_children(media[b"minf"]))[b"stbl"]))
    timescale, language = _media_header(media[b"mdhd"])
    if not 0 < timescale < MAX_TIMESCALE:
        raise BadFile("its clock has no ticks")
    video = handler == b"vide"
    entry = (video_entry if video else audio_entry)(table[b"stsd"])
    own = fragments.get(_number(boxes_of.get(b"tkhd", b"")))
    matrix, size = _shown(boxes_of.get(b"tkhd", b""))
    init = init_section(
        entry.data, handler, timescale, language, matrix, size=size or (entry.width, entry.height)
    )
    return _Found(
        number=number,
        kind=_KINDS[handler],
        entry=entry,
        codecs=codec_string(init),
        timescale=timescale,
        init=init,
        samples=_samples(table, own, file_size),
        start=_edit(
            dict(_children(boxes_of.get(b"edts", b""))).get(b"elst"), movie_scale, timescale
        ),
        language=_language(language),
    )


def _text_track(
    data: bytes, movie_scale: int, file_size: int, fragments: Mapping[int, FragmentedTrack]
) -> TextTrack | None:
    """A track of text; None if it is another one. Raises BadFile."""
    boxes_of = dict(_children(data))
    media = dict(_children(boxes_of[b"mdia"]))
    if media[b"hdlr"][8:12] not in _TEXT_HANDLERS:
        return None
    table = dict(_children(dict(_children(media[b"minf"]))[b"stbl"]))
    form = table[b"stsd"][12:16]
    if form not in _TEXT_FORMS:
        raise BadFile(f"text of the form {form.decode('latin-1')!r} is not shown")
    timescale, language = _media_header(media[b"mdhd"])
    if not 0 < timescale < MAX_TIMESCALE:
        raise BadFile("its clock has no ticks")
    own = fragments.get(_number(boxes_of.get(b"tkhd", b"")))
    edits = dict(_children(boxes_of.get(b"edts", b""))).get(b"elst")
    samples = _samples(table, own, file_size)
    samples.keep_below(file_size)
    if not samples.count or samples.time(samples.count) > MAX_SECONDS * timescale:
        raise BadFile("it has no samples, or too long ones")
    start = _edit(edits, movie_scale, timescale)
    if abs(start) > MAX_SECONDS:
        raise BadFile("its edit list says what cannot be")
    return TextTrack(form, timescale, samples, start, _language(language))


def _chapters(tracks: list[bytes]) -> set[int]:
    """Numbers of tracks that name chapters of others (QuickTime: `chap` in `tref`)."""
    found: set[int] = set()
    for data in tracks:
        try:
            references = dict(_children(dict(_children(data)).get(b"tref", b"")))
        except BadFile:
            continue
        numbers = references.get(b"chap", b"")[: 4 * MAX_TRACKS]
        found.update(one for (one,) in struct.iter_unpack(">I", numbers[: len(numbers) & ~3]))
    return found


def _children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and payload of each box; lists may end with zeros (QuickTime)."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if length == 0 and kind == b"\0\0\0\0":
            return
        if length < 8 or position + length > len(data):
            raise BadFile(f"a box {kind.decode('latin-1')!r} does not fit into what it is in")
        yield kind, data[position + 8 : position + length]
        position += length


def _scale(header: bytes) -> int:
    offset = 12 if header[0] == 0 else 20
    return int.from_bytes(header[offset : offset + 4], "big") or 1000


def _media_header(header: bytes) -> tuple[int, int]:
    """Timescale and language."""
    offset = 12 if header[0] == 0 else 20
    behind = offset + (8 if header[0] == 0 else 12)
    return (
        int.from_bytes(header[offset : offset + 4], "big"),
        int.from_bytes(header[behind : behind + 2], "big") & 0x7FFF,
    )


def _language(packed: int) -> str:
    """ISO 639-2 of `mdhd`; empty if it says none. Below 0x400 it is a number of the Macintosh."""
    letters = "".join(chr(0x60 + (packed >> shift & 0x1F)) for shift in (10, 5, 0))
    return letters if packed >= 0x400 and letters.isalpha() and letters != "und" else ""


def _samples(
    table: Mapping[bytes, bytes], fragments: FragmentedTrack | None, file_size: int
) -> Samples:
    if fragments is None or not fragments.sizes:
        return read_samples(table, file_size)
    if any(table.get(b"stsz", b"")[8:12]):  # how many there are in tables
        fragments.preceded_by(read_samples(table, file_size))
    return fragments.samples()


def _number(header: bytes) -> int:
    """Of the track, as fragments call it (`tkhd`)."""
    offset = 4 + (8 if header[:1] == b"\0" else 16)
    return int.from_bytes(header[offset : offset + 4], "big")


def _shown(header: bytes) -> tuple[bytes, tuple[int, int]]:
    """Matrix, width and height of `tkhd`."""
    offset = 4 + (20 if header[:1] == b"\0" else 32) + 16
    if len(header) < offset + 44:
        return b"", (0, 0)
    width, height = struct.unpack_from(">II", header, offset + 36)
    return header[offset : offset + 36], (width >> 16, height >> 16)


def _edit(table: bytes | None, movie_scale: int, timescale: int) -> Fraction:
    """What the edit list moves the track by, in seconds: an empty edit holds it back, and the
    first media time is what is shown first (8.6.6)."""
    if table is None or len(table) < 8:
        return Fraction(0)
    form = struct.Struct(">Iii" if table[0] == 0 else ">Qqi")
    count = int.from_bytes(table[4:8], "big")
    held = Fraction(0)
    for number in range(min(count, (len(table) - 8) // form.size, 64)):
        duration, media_time, _ = form.unpack_from(table, 8 + number * form.size)
        if media_time >= 0:
            return held - Fraction(media_time, timescale)
        held += Fraction(duration, movie_scale)
    return held
