"""Boundaries and the GOP cache: bounds hold, what is kept always starts with a key frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media import gop
from media_streamer.media.frame import Cut, Frame, Track
from media_streamer.media.gop import Boundary, BoundaryFinder, Entry, GopCache

VIDEO = Track(0, "v1", "video", "h264", b"", "avc1.42c00a")
AUDIO = Track(1, "a1", "audio", "aac", b"", "mp4a.40.2")
STEP = 3600


def frame(dts: int, key: bool = False, track: int = 0, size: int = 10) -> Frame:
    return Frame(track, dts, dts, STEP, key, bytes(size))


def test_video_leads_if_there_is_any() -> None:
    finder = BoundaryFinder([AUDIO, VIDEO], 100 * STEP)
    assert not finder.audio_only
    assert finder.classify(frame(0, key=True, track=1)) is Boundary.NONE
    assert finder.classify(frame(0, key=True)) is Boundary.KEY
    assert finder.classify(frame(STEP)) is Boundary.NONE


def test_sound_alone_has_a_boundary_a_second() -> None:
    finder = BoundaryFinder([AUDIO], 10**9)
    assert finder.audio_only
    found = [finder.classify(frame(i * STEP, key=True, track=1)) for i in range(51)]
    assert [i for i, boundary in enumerate(found) if boundary is Boundary.KEY] == [0, 25, 50]


def test_a_boundary_is_forced_without_key_frames() -> None:
    finder = BoundaryFinder([VIDEO, AUDIO], 10 * STEP)
    found = [finder.classify(frame(i * STEP, key=True, track=1)) for i in range(25)]
    assert [i for i, b in enumerate(found) if b is Boundary.FORCED] == [10, 20]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4_000_000)), max_size=60),
    st.integers(0, 100),
)
def test_cache_is_bounded_and_starts_with_a_key(
    pushed: list[tuple[bool, int]], history_frames: int
) -> None:
    cache = GopCache(history_frames * STEP)
    for index, (key, size) in enumerate(pushed):
        boundary = Boundary.KEY if key else Boundary.NONE
        item = frame(index * STEP, key, size=size)
        cache.append(Entry(item, item.data, boundary))
        kept = list(cache)
        assert sum(len(entry.data) for entry in kept) == cache.bytes <= gop.MAX_BYTES
        assert len(cache) == len(kept)
        if kept:
            assert kept[0].boundary is Boundary.KEY
            last = cache.last_gop()
            assert last[0].boundary is Boundary.KEY
            assert kept[-len(last) :] == last
            assert kept[-1].frame is item


def test_history_covers_what_was_asked_for_and_no_gop_more() -> None:
    cache = GopCache(history_ticks=50 * STEP)
    for index in range(200):
        item = frame(index * STEP, key=index % 20 == 0)
        boundary = Boundary.KEY if item.key else Boundary.NONE
        cache.append(Entry(item, item.data, boundary))
    kept = list(cache)
    assert kept[0].frame.dts == 120 * STEP
    assert len(cache.last_gop()) == 20
    cache.clear()
    assert not list(cache)
    assert cache.last_gop() == []


@given(st.integers(1, 130), st.integers(1, 30))
def test_history_is_whole_segments(frames: int, gop_frames: int) -> None:
    """Three of them, whenever somebody comes; all while there are fewer."""
    every = -(-15 // gop_frames) * gop_frames
    cache, cut = GopCache(history_ticks=3 * 15 * STEP), None
    for index in range(frames):
        item = frame(index * STEP, key=index % gop_frames == 0)
        if index % every == 0:
            cut = Cut(index // every, 0, 0, 0, item.dts, 600)
        cache.append(Entry(item, item.data, Boundary.KEY if item.key else Boundary.NONE, cut))
    kept, running = list(cache), (frames - 1) // every
    first = kept[0].frame.dts // STEP
    assert first % every == 0
    whole = running - first // every
    assert whole == running if first == 0 else (whole - 1) * every < 3 * 15 <= whole * every


@given(st.integers(1, 130), st.integers(1, 40))
def test_what_is_too_much_goes_by_whole_segments(frames: int, most: int) -> None:
    """Of two GOPs of five frames each, unless one alone is too much."""
    cache, cut = GopCache(history_ticks=30 * STEP), None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gop, "MAX_BYTES", most * len(frame(0).data))
        for index in range(frames):
            item = frame(index * STEP, key=index % 5 == 0)
            if index % 10 == 0:
                cut = Cut(index // 10, 0, 0, 0, item.dts, 600)
            cache.append(Entry(item, item.data, Boundary.KEY if item.key else Boundary.NONE, cut))
    kept = [entry.frame.dts // STEP for entry in cache]
    assert len(kept) <= most
    if most > 10:
        assert kept[0] % 10 == 0


def test_a_gop_that_is_too_long_is_not_kept() -> None:
    cache = GopCache()
    for dts in range(0, gop.MAX_TICKS + 2 * STEP, STEP):
        item = frame(dts, key=dts == 0)
        cache.append(Entry(item, item.data, Boundary.KEY if item.key else Boundary.NONE))
    assert list(cache) == []
