"""DTS from PTS: grows, is never after the PTS once the depth is known, and follows jumps."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp.decode_order import JUMP_SECONDS, DecodeOrder

FRAME = 3600


def gop(pattern: list[int], count: int) -> list[int]:
    """PTS in decoding order of `count` mini-GOPs; `pattern` are display positions in one."""
    return [FRAME * (n * len(pattern) + at) for n in range(count) for at in pattern]


@pytest.mark.parametrize(
    ("pattern", "depth"),
    [([0], 0), ([1, 0], 1), ([2, 0, 1], 1), ([3, 1, 0, 2], 2), ([7, 3, 1, 0, 2, 5, 4, 6], 3)],
)
def test_patterns_of_encoders(pattern: list[int], depth: int) -> None:
    order = DecodeOrder(90_000)
    stamps = gop(pattern, 12)
    found = [order.dts(pts) for pts in stamps]
    assert order.depth == depth
    assert all(a < b for a, b in itertools.pairwise(found))
    settled = 2 * len(pattern)
    assert all(dts <= pts for dts, pts in zip(found[settled:], stamps[settled:], strict=True))
    assert all(pts - dts <= 10 * FRAME for dts, pts in zip(found, stamps, strict=True))


@given(st.lists(st.integers(0, 90_000 * 5), max_size=200))
def test_anything_grows(stamps: list[int]) -> None:
    order = DecodeOrder(90_000)
    found = [order.dts(pts) for pts in stamps]
    assert all(a < b for a, b in itertools.pairwise(found))


def test_a_jump_starts_anew() -> None:
    order = DecodeOrder(90_000)
    for pts in gop([2, 0, 1], 4):
        order.dts(pts)
    back = -JUMP_SECONDS * 90_000
    assert order.dts(back) == back
