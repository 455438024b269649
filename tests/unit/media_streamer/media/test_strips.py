"""Several pictures in one: rows of a JPEG, frames of a film."""

import io
import time

import av
import pytest
from media_streamer.media.frame import Frame
from media_streamer.media.strips import Key, TooSlow, make_strip, make_strip_film, moments

from tests.support.endless_film import white_film

from .test_thumbnail import key_frame


@pytest.fixture(scope="module")
def key() -> Key:
    """A white picture."""
    return key_frame(white_film())


def shown(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data)) as opened:
        return list(opened.decode(video=0))


def soon() -> float:
    return time.monotonic() + 60


def test_pictures_are_of_the_middles_of_equal_parts() -> None:
    assert moments(1000, 5000, 4) == [1500, 2500, 3500, 4500]
    assert moments(1000, 2000, 1) == [1500]


@pytest.mark.parametrize(
    ("count", "columns", "size"), [(1, 1, (64, 36)), (4, 2, (128, 72)), (5, 3, (192, 72))]
)
def test_rows_of_pictures(key: Key, count: int, columns: int, size: tuple[int, int]) -> None:
    [picture] = shown(make_strip([key] * count, columns, 64, soon()))
    assert (picture.width, picture.height) == size


def test_a_hole_stays_black_where_it_is(key: Key) -> None:
    [picture] = shown(make_strip([key, None, key], 3, 64, soon()))
    grey = picture.reformat(format="gray").to_ndarray()
    levels = [grey[:, 64 * n + 8 : 64 * n + 56].mean() for n in range(3)]
    assert [level > 128 for level in levels] == [True, False, True], levels


def test_a_film_of_them_is_not_decoded_here(key: Key) -> None:
    broken = key[0], Frame(0, 0, 0, 3600, True, b"\x00\x00\x00\x04\x65\xff\xff\xff")
    made = make_strip_film([key, None, key, broken])
    with av.open(io.BytesIO(made)) as opened:
        times = [packet.pts * packet.time_base for packet in opened.demux(video=0) if packet.size]
    assert times == [0, 0.5, 1]
    assert len(shown(make_strip_film([key, key]))) == 2


def test_nothing_and_too_much(key: Key) -> None:
    for make in (lambda: make_strip([None], 1, 64, soon()), lambda: make_strip_film([None])):
        with pytest.raises(ValueError, match="no picture"):
            make()
    with pytest.raises(TooSlow):
        make_strip([key], 1, 64, time.monotonic() - 1)
