"""Rows of figures: merged, packed, read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.pulse.points import (
    LEVELS,
    MAX_VALUE,
    SHAPES,
    Points,
    pack,
    rolled_up,
    unpack,
)

STREAM = SHAPES["stream"]
BEGIN = 1_700_000_040 - 1_700_000_040 % 86_400


def rows() -> st.SearchStrategy[Points]:
    row = st.tuples(*[st.integers(0, MAX_VALUE)] * STREAM.width)
    return st.dictionaries(st.integers(0, 23).map(lambda n: BEGIN + n * 3600), row, min_size=1)


@given(rows())
def test_what_is_packed_is_read_again(points: Points) -> None:
    assert unpack(LEVELS[2], BEGIN, pack(LEVELS[2], BEGIN, points)) == points


@given(st.binary(max_size=200))
def test_garbage_is_refused(block: bytes) -> None:
    with pytest.raises(ValueError, match="block"):
        unpack(LEVELS[0], BEGIN, block)
    with pytest.raises(ValueError, match="block"):
        unpack(LEVELS[0], BEGIN, b"\x01\x09\xff\xff" + block)


def test_a_coarser_point_says_what_its_samples_said() -> None:
    samples = [
        {"bitrate": 100, "bitrate_max": 100, "clients": 1, "clients_max": 1, "bytes_in": 10},
        {"bitrate": 300, "bitrate_max": 300, "clients": 4, "clients_max": 4, "bytes_in": 20},
        {"bitrate": 200, "bitrate_max": 200, "alive": 1},
    ]
    points = {BEGIN + 5 * n: STREAM.row(one) for n, one in enumerate(samples)}
    minute = rolled_up(STREAM, points, 60)
    hour = rolled_up(STREAM, minute, 3600)
    assert minute == hour
    figures = STREAM.figures(hour[BEGIN])
    assert (figures["bitrate"], figures["bitrate_max"]) == (200, 300)
    assert (figures["clients"], figures["clients_max"]) == (1.667, 4)
    assert (figures["bytes_in"], figures["alive"]) == (30, 0.333)


def test_a_block_of_steady_figures_is_small() -> None:
    points = {
        BEGIN + 60 * n: (12, 12 * 2000, 12 * 3, 12, 2010 + n % 7, 3, 15_000_000 + n * 31, 0, 0)
        for n in range(60)
    }
    assert len(pack(LEVELS[1], BEGIN, points)) < 200
