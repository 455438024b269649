import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from media_streamer.archive.container import (
    FLAGS_OFFSET,
    Group,
    Piece,
    make_head,
    make_mark,
    read_head,
    read_mark,
    read_marks,
    read_times,
    renumber,
    single_init,
)
from media_streamer.archive.ranges import Range, merge
from media_streamer.syntax import boxes

from .conftest import AUDIO, SECTION, VIDEO, fragment

HEAD = make_head(SECTION.inits, SECTION.tracks)


def numbers(init: bytes) -> list[int]:
    movie = boxes.find(init, b"moov")
    assert movie is not None
    traks = [movie[b:e] for kind, b, e in boxes.boxes(movie) if kind == b"trak"]
    return [boxes.track_id(boxes.box(b"moov", boxes.box(b"trak", trak))) for trak in traks]


def test_a_head_has_all_tracks_under_numbers_of_their_own() -> None:
    head = read_head(HEAD + b"what follows")
    assert head.tracks == (VIDEO, AUDIO)
    assert head.size == len(HEAD)
    assert numbers(head.init) == [1, 2]
    assert boxes.timescale(single_init(head.init, 1)) == 48_000
    for track in (0, 1):
        one = single_init(head.init, track)
        assert numbers(one) == [track + 1]
        assert boxes.track_id(one) == track + 1


@given(st.binary(max_size=200), st.integers(0, len(HEAD)))
def test_what_is_no_head_is_refused(noise: bytes, cut: int) -> None:
    found = HEAD[:cut][:-1] + noise
    assume(not found.startswith(HEAD))  # the noise may be the byte that was cut off
    with pytest.raises(ValueError, match="file"):
        read_head(found)


pieces = st.builds(
    Piece, st.integers(0, 2**32 - 1), st.integers(0, 2**63), st.integers(0, 2**32 - 1)
)


@given(
    st.integers(0, 2**53), st.integers(0, 2**32 - 1), st.booleans(), st.lists(pieces, max_size=4)
)
def test_marks_are_read_as_they_were_written(
    start: int, duration: int, broken: bool, found: list[Piece]
) -> None:
    mark = make_mark(start, duration, broken, found)
    group = read_mark(b"--" + mark, 2, len(found), 100)
    assert group == Group(start, duration, broken, 100 + len(mark), tuple(found))
    assert read_mark(mark[:-1], 0, len(found), 0) is None
    assert read_mark(mark, 0, len(found) + 1, 0) is None


@given(st.binary(max_size=300))
def test_noise_is_no_mark(noise: bytes) -> None:
    head = read_head(HEAD)
    assert list(read_marks(noise, 0, head)) == []


def test_fragments_get_number_and_time() -> None:
    data = bytearray(boxes.box(b"styp", b"msdh") + fragment(5, b"one") + fragment(9, b"two"))
    assert renumber(data, 2, 1000, 41) == 43
    found = [data[begin:end] for kind, begin, end in boxes.boxes(data) if kind == b"moof"]
    times = [boxes.find(bytes(one), b"traf", b"tfdt") for one in found]
    assert [int.from_bytes(one[4:], "big") for one in times if one] == [1005, 1009]
    ids = [boxes.find(bytes(one), b"traf", b"tfhd") for one in found]
    assert [one[4:8] for one in ids if one] == [b"\0\0\0\2"] * 2
    with pytest.raises(ValueError, match="does not fit"):
        renumber(data[:-1], 1, 0, 1)


@given(
    st.lists(
        st.tuples(st.integers(-9000, 9000), st.integers(0, 20_000_000), st.booleans()),
        max_size=20,
    ),
    st.binary(max_size=80),
)
def test_when_there_is_something_as_by_all_marks(
    segments: list[tuple[int, int, bool]], noise: bytes
) -> None:
    """However the clock jumped, and whatever was deleted."""
    index, start_ms = bytearray(HEAD), 1_700_000_000_000
    for jump_ms, duration_us, is_erased in segments:
        start_ms += jump_ms
        pieces = [Piece(100, 0, duration_us), Piece(7, 0, duration_us)]
        index += make_mark(start_ms, duration_us, False, pieces)
        if is_erased:
            index[-(len(make_mark(0, 0, False, pieces)) - FLAGS_OFFSET)] = 2
        start_ms += duration_us // 1000
    head = read_head(bytes(index))
    groups = list(read_marks(bytes(index), head.size, head))
    assert [group.erased for group in groups] == [one[2] for one in segments]
    times, end = read_times(bytes(index), head)
    held = [Range(group.start_ms, group.end_ms) for group in groups if not group.erased]
    assert merge(times) == merge(held)
    assert end == (groups[-1].offset + groups[-1].size if groups else head.size)
    if noise:
        with pytest.raises(ValueError, match="an index"):
            read_times(bytes(index) + noise, head)
