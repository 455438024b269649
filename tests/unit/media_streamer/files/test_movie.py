"""The tables of a real film against FFmpeg's demuxer, and of files that lie."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.files.cutting import cut
from media_streamer.files.frames import filled
from media_streamer.files.movie import Movie, read_movie
from media_streamer.files.segment import Changed, media_segment
from media_streamer.files.tables import BadFile
from media_streamer.syntax.boxes import full_box

from tests.support.clips import footage
from tests.support.films import FilmTrack, film, reader, table, words


def movie_of(data: bytes) -> Movie:
    return read_movie(reader(data), len(data))


def packets(index: int) -> list["av.Packet[object]"]:
    with av.open(str(footage()), options={"ignore_editlist": "1"}) as container:
        return [packet for packet in container.demux(container.streams[index]) if packet.size]


@pytest.mark.parametrize("index", [0, 1])
def test_samples_are_those_that_ffmpeg_finds(index: int) -> None:
    movie = movie_of(footage().read_bytes())
    found, expected = movie.tracks[index].samples, packets(index)
    assert found.count == len(expected) > 100
    offsets = list(found.offsets(0, found.count) or [0] * found.count)
    for number, packet in enumerate(expected):
        assert found.spans(number, number + 1) == [(packet.pos, packet.size)]
        assert found.time(number) == packet.dts
        assert found.time(number) + offsets[number] == packet.pts
        assert found.at(found.time(number)) == number
    syncs = found.sync_numbers(0, found.count)
    keys = {number for number, packet in enumerate(expected) if packet.is_keyframe}
    assert (syncs if syncs is not None else set(range(found.count))) == keys


def test_a_real_film_is_described() -> None:
    video, sound = movie_of(footage().read_bytes()).tracks
    assert (video.name, video.kind, video.codecs, video.width, video.height) == (
        "v1", "video", "avc1.4d401f", 1280, 720,
    )  # fmt: skip
    assert video.fps == pytest.approx(25)
    assert (sound.name, sound.codecs, sound.sample_rate) == ("a1", "mp4a.40.2", 48_000)


def read_back(parts: Sequence[bytes]) -> list["av.Packet[object]"]:
    with av.open(io.BytesIO(b"".join(parts))) as container:
        return [packet for packet in container.demux() if packet.size]


@pytest.mark.parametrize("index", [0, 1])
def test_the_segments_of_a_real_film_hold_its_very_samples(index: int) -> None:
    data = footage().read_bytes()
    movie = movie_of(data)
    track = movie.tracks[index]
    pieces = filled(cut(movie, 1.0)[track.name])
    made = [
        media_segment(track, number, piece.first, piece.end, reader(data))
        for number, piece in enumerate(pieces, 1)
    ]
    got, expected = read_back([track.init, *made]), packets(index)
    assert [bytes(packet) for packet in got] == [bytes(packet) for packet in expected]
    assert [packet.is_keyframe for packet in got] == [packet.is_keyframe for packet in expected]
    first = got[0].dts
    assert [p.dts - first for p in got] == [p.dts - expected[0].dts for p in expected]
    assert [p.pts - p.dts for p in got] == [p.pts - p.dts for p in expected]


def test_edit_lists_move_tracks_against_each_other_and_no_time_is_negative() -> None:
    early = full_box(b"elst", 0, 0, words(1, 0, 80, 0x10000))
    late = full_box(b"elst", 0, 0, words(2, 500, 0xFFFFFFFF, 0x10000, 0, 0, 0x10000))
    sizes = [10] * 100
    movie = movie_of(film(FilmTrack(sizes, edits=early), FilmTrack(sizes, edits=late)))
    assert [track.shift for track in movie.tracks] == [0, 580]
    assert movie.zero == Fraction(80, 1000)


def test_segments_begin_at_the_key_frame_next_to_where_they_would_end() -> None:
    # 25 pictures a second, key frames at 0, 1.8, 2.2, 4.2, 9 s
    keys = [1, 46, 56, 106, 226]
    movie = movie_of(film(FilmTrack([10] * 250, syncs=keys)))
    pieces = cut(movie, 2.0)["v1"]
    assert [piece.first + 1 for piece in pieces] == [1, 46, 106, 226]
    assert pieces[-1].end == 250


def test_sound_is_cut_where_the_picture_is_and_goes_on_behind_it() -> None:
    picture = FilmTrack([10] * 50, syncs=[1, 26])
    long = FilmTrack([5] * 1000, duration=10)
    movie = movie_of(film(picture, long))
    pieces = cut(movie, 1.0)
    assert [piece.first for piece in filled(pieces["v1"])] == [0, 25]
    assert [piece.first for piece in pieces["v2"]] == [n * 100 for n in range(10)]
    assert pieces["v2"][-1].end == 1000


def test_a_file_that_is_cut_off_plays_up_to_there() -> None:
    begin = film().index(b"mdat") + 4
    places = table(b"stco", *(begin + 1000 * n for n in range(100)))
    chunks = table(b"stsc", 1, 1, 1, width=3)
    data = film(FilmTrack([1000] * 100, syncs=[1, 51], tables={b"stco": places, b"stsc": chunks}))
    samples = read_movie(reader(data), begin + 70_500).tracks[0].samples
    assert samples.count == 70


def test_a_file_that_shrank_is_noticed() -> None:
    data = film(FilmTrack([1000] * 10))
    track = movie_of(data).tracks[0]
    with pytest.raises(Changed):
        media_segment(track, 1, 0, 10, reader(data[:500]))


LIES = {
    b"stts": [
        full_box(b"stts", 0, 0, words(1 << 30)),
        full_box(b"stts", 0, 0, words(1, 0xFFFFFFFF, 0xFFFFFFFF)),
        full_box(b"stts", 0, 0, words(3, *[0xFFFFFFFF, 0xFFFFFFFF] * 3)),
        b"",
    ],
    b"stsz": [
        full_box(b"stsz", 0, 0, words(1, 0xFFFFFFFF)),
        full_box(b"stsz", 0, 0, words(0, 0xFFFFFFFF)),
        full_box(b"stsz", 0, 0, words(0, 3, *[0xFFFFFFFF] * 3)),
    ],
    b"stsc": [
        full_box(b"stsc", 0, 0, words(1, 1, 0xFFFFFFFF, 1)),
        full_box(b"stsc", 0, 0, words(1, 1, 0, 1)),
        full_box(b"stsc", 0, 0, words(1, 7, 1, 1)),
        full_box(b"stsc", 0, 0, words(1, 1, 1, 2)),
        full_box(b"stsc", 0, 0, words(2, 1, 1, 1, 0, 1, 1)),
    ],
    b"stco": [full_box(b"stco", 0, 0, words(1, 0xFFFFFF00)), b"", full_box(b"stco", 0, 0, b"\0")],
}


@pytest.mark.parametrize(("kind", "lie"), [(k, lie) for k, lies in LIES.items() for lie in lies])
def test_tables_that_lie_are_refused_or_cut_to_what_is_there(kind: bytes, lie: bytes) -> None:
    data = film(FilmTrack([10] * 10, tables={kind: lie}))
    try:
        movie = movie_of(data)
    except BadFile:
        return
    samples = movie.tracks[0].samples
    assert samples.count <= 10
    assert all(span.offset + span.size <= len(data) for span in samples.spans(0, samples.count))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0\0\0\x08ftyp", b"not a film at all", b"\0\0\0\x01moov" + b"\xff" * 8,
        b"\0\0\0\x04moov", b"\0\0\0\x18ftypisom" + bytes(12) + b"\xff\xff\xff\xffmoov",
    ],
)  # fmt: skip
def test_what_is_no_film_says_so(data: bytes) -> None:
    with pytest.raises(BadFile, match=r"\w+ \w+"):
        movie_of(data)


@given(st.data())
def test_a_film_with_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    good = film(
        FilmTrack([10] * 50, syncs=[1, 26], edits=full_box(b"elst", 0, 0, words(1, 0, 80, 65_536)))
    )
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(good) - 1))
        broken[position] = data.draw(st.integers(0, 255))
    made = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    try:
        movie = movie_of(made)
        pieces = cut(movie, 1.0)
        for track in movie.tracks:
            for piece in pieces[track.name][:3]:
                segment = media_segment(track, 1, piece.first, piece.end, reader(made))
                assert len(segment) < len(made) + 100_000
    except (BadFile, Changed):
        pass
