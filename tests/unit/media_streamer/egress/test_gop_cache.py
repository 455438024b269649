"""Whole groups of pictures, as far back as is asked, and not too much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress import gop_cache as module
from media_streamer.egress.gop_cache import GopCache

CHUNKS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 30), st.floats(0, 2)), max_size=40
)  # fmt: skip


def test_what_comes_before_a_key_frame_is_not_kept() -> None:
    cache = GopCache()
    cache.add(b"p", 1.0, key=False)
    assert not cache
    cache.add(b"K", 2.0, key=True)
    cache.add(b"p", 3.0, key=False)
    assert [*cache] == [b"K", b"p"]
    cache.add(b"L", 4.0, key=True)
    assert [*cache] == [b"L"]


def test_it_reaches_back_as_far_as_is_asked() -> None:
    cache = GopCache()
    cache.seconds = 3.0
    for second in range(10):
        cache.add(bytes((second,)), float(second), key=second % 2 == 0)
    # The group of 6 s covers what is wanted of 9 s; that of 4 s would be more.
    assert [*cache] == [bytes((second,)) for second in range(6, 10)]


def test_a_group_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    cache = GopCache()
    cache.seconds = 60.0
    cache.add(b"K" * 600, 0.0, key=True)
    cache.add(b"L" * 600, 1.0, key=True)
    assert [*cache] == [b"L" * 600]
    cache.add(b"p" * 600, 2.0, key=False)
    assert not cache
    assert cache.size == 0


@given(CHUNKS, st.floats(0, 10))
def test_it_begins_with_a_key_frame_and_counts_what_it_has(
    chunks: list[tuple[bool, int, float]], seconds: float
) -> None:
    cache, now = GopCache(), 100.0
    cache.seconds = seconds
    came: list[tuple[float, bytes, bool]] = []
    for number, (key, size, later) in enumerate(chunks):
        now += later
        chunk = b"%d:" % number + bytes(size)
        came.append((now, chunk, key))
        cache.add(chunk, now, key=key)
        kept = [*cache]
        assert cache.size == sum(map(len, kept))
        first_key = next((number for number, one in enumerate(came) if one[2]), None)
        if first_key is None:
            assert not kept
            continue
        assert kept == [one[1] for one in came[-len(kept) :]]
        begins = [one[0] for one in came[-len(kept) :] if one[2]]
        assert came[-len(kept)][2]
        assert begins[0] <= now - seconds or len(kept) == len(came) - first_key
        assert len(begins) == 1 or begins[1] > now - seconds
