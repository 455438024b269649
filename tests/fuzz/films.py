"""Files that strangers upload."""

from collections.abc import Hashable

from media_streamer.files.containers import read_film
from media_streamer.files.cues import decoded, read_cues, webvtt
from media_streamer.files.cutting import cut
from media_streamer.files.disk import Changed
from media_streamer.files.frames import Part, frames_of
from media_streamer.files.movie import read_movie
from media_streamer.files.outlined import found_parts
from media_streamer.files.segment import media_segment
from media_streamer.files.subtitles import cues_of_track
from media_streamer.files.tables import BadFile
from media_streamer.syntax.boxes import box, full_box

from tests.fuzz.engine import Target
from tests.support.films import FilmTrack, film, reader, table, words
from tests.support.matroska import plain_matroska
from tests.support.transport import plain_transport


def film_file(data: bytes) -> Hashable:
    """The tables of a file, its segments, and one of them."""
    movie = read_movie(reader(data), len(data))
    pieces = cut(movie, 1.0)
    for track in movie.tracks:
        assert track.shift >= 0
        assert track.samples.count <= len(data)
        for piece in pieces[track.name][:2]:
            made = media_segment(track, 1, piece.first, piece.end, reader(data))
            assert len(made) < 200 + 17 * (piece.end - piece.first) + len(data)
    texts = [cues_of_track(text, 0.0, 1000.0, reader(data)) for text in movie.texts]
    return (
        *(len(pieces[track.name]).bit_length() for track in movie.tracks),
        *(len(cues).bit_length() for cues in texts),
    )


def outlined_file(data: bytes) -> Hashable:
    """A file without tables: its stretches, and what subtitles are in it."""
    movie = read_film(reader(data), len(data))
    pieces = cut(movie, 1.0)
    made = 0
    for piece in pieces[movie.tracks[0].name][:3]:
        parts = [Part(track, piece) for track in movie.tracks]
        frames = frames_of(*found_parts(movie, parts, reader(data)))
        assert sum(len(frame.data) for frame in frames) <= 2 * len(data)
        made += len(frames)
    texts = [one.cues(0.0, 1000.0, reader(data)) for one in movie.texts if hasattr(one, "cues")]
    return (made.bit_length(), len(pieces), *(len(cues).bit_length() for cues in texts))


def subtitle_file(data: bytes) -> Hashable:
    """A file beside a film; what is made of it says the same."""
    cues = read_cues(decoded(data))
    again = read_cues(webvtt(cues))
    assert [cue.text for cue in again] == [cue.text for cue in cues]
    return (len(cues).bit_length(), bool(cues and cues[0].settings))


_EDITS = full_box(b"elst", 0, 0, words(2, 100, 0xFFFFFFFF, 65_536, 0, 80, 65_536))
_CTTS = table(b"ctts", 10, 80, 10, 0xFFFFFFB0, 30, 40, width=2)
_PLACES = table(b"stco", *range(48, 98, 10))
_CHUNKS = table(b"stsc", 1, 2, 1, 3, 5, 1, width=3)


def _fragmented() -> bytes:
    """Three samples of which no table tells."""
    movie = film(FilmTrack([])).replace(b"mvhd", b"free")
    trex = full_box(b"trex", 0, 0, words(0, 1, 40, 2, 0))
    head = movie.index(b"moov") - 4
    inner = movie[head + 8 :] + box(b"mvex", trex)
    run = full_box(b"trun", 0, 0x201, words(3, 92, 2, 2, 2))
    base = full_box(b"tfhd", 0, 0x020000, words(0)) + full_box(b"tfdt", 0, 0, words(40))
    moof = box(b"moof", full_box(b"mfhd", 0, 0, words(1)), box(b"traf", base, run))
    return movie[:head] + box(b"moov", inner) + moof + box(b"mdat", bytes(6))


def targets() -> list[Target]:
    plain = film(FilmTrack([3] * 50, syncs=[1, 26], edits=_EDITS, tables={b"ctts": _CTTS}))
    two = film(
        FilmTrack([2] * 20, tables={b"stco": _PLACES, b"stsc": _CHUNKS}),
        FilmTrack([1] * 20, duration=100),
    )
    texts = film(FilmTrack([2] * 20), FilmTrack([9] * 5)).replace(b"vide", b"sbtl", 2)
    texts = texts.replace(b"sbtl", b"vide", 1).replace(b"avc1", b"tx3g", 2)
    texts = texts.replace(b"tx3g", b"avc1", 1)
    kinds = (b"moov", b"trak", b"stbl", b"stsz", b"stz2", b"stco", b"co64", b"wave", b"esds",
             b"moof", b"traf", b"trun", b"tfdt", b"trex")  # fmt: skip
    return [
        Target(
            "film_files",
            film_file,
            [plain, two, texts, _fragmented()],
            (BadFile, Changed),
            (*kinds, b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\1", b"\x7f\xff\xff\xff"),
        ),
        Target(
            "matroska_files",
            outlined_file,
            [plain_matroska(), plain_matroska(cues=False)],
            (BadFile, Changed),
            (
                b"\x1f\x43\xb6\x75",
                b"\xa3",
                b"\xa0",
                b"\xa1",
                b"\xae",
                b"\xbb",
                b"\x01" + b"\xff" * 7,
            ),
        ),
        Target(
            "transport_files",
            outlined_file,
            [plain_transport()],
            (BadFile, Changed),
            (b"\x47", b"\0\0\1", b"\0\0\1\xe0", b"\xff\xf1", b"\x47\x41\0\x30"),
        ),
        Target(
            "subtitle_files",
            subtitle_file,
            [
                b"1\n00:00:01,000 --> 00:00:02,000\nOne <i>a</i>\n\n",
                b"WEBVTT\n\n00:01.0 --> 00:02.0 line:0\nx",
            ],
            (),
            (b"-->", b"00:", b"\n\n", b"<", b"&amp;", b"\xff\xfe"),
        ),
    ]
