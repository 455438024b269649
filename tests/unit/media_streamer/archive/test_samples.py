"""Fragments are read as they were written, and nothing else is."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.samples import Sample, read_samples
from media_streamer.syntax.boxes import box, full_box


def fragment(time: int, samples: list[tuple[int, bytes, bool, int]], *, video: bool) -> bytes:
    """As `media.mux.fmp4` writes it: duration, bytes, key, composition offset."""
    rows = b"".join(
        struct.pack(">IIIi", duration, len(data), 0x02000000 if key else 0x01010000, offset)
        if video
        else struct.pack(">II", duration, len(data))
        for duration, data, key, offset in samples
    )

    def moof(offset: int) -> bytes:
        return box(
            b"moof",
            full_box(b"mfhd", 0, 0, struct.pack(">I", 1)),
            box(
                b"traf",
                full_box(b"tfhd", 0, 0x020020, struct.pack(">II", 1, 0x02000000)),
                full_box(b"tfdt", 1, 0, struct.pack(">Q", time)),
                full_box(
                    b"trun",
                    1,
                    0x000F01 if video else 0x000301,
                    struct.pack(">Ii", len(samples), offset),
                    rows,
                ),
            ),
        )

    payload = b"".join(data for _, data, _, _ in samples)
    return moof(len(moof(0)) + 8) + box(b"mdat", payload)


SAMPLES = st.lists(
    st.tuples(st.integers(1, 9000), st.binary(max_size=20), st.booleans(), st.integers(-99, 99)),
    min_size=1,
    max_size=8,
)


@given(first=SAMPLES, second=SAMPLES, time=st.integers(0, 2**50), video=st.booleans())
def test_samples_come_back(
    first: list[tuple[int, bytes, bool, int]],
    second: list[tuple[int, bytes, bool, int]],
    time: int,
    video: bool,
) -> None:
    later = time + 1_000_000
    data = box(b"styp", bytes(16)) + fragment(time, first, video=video)
    found = list(read_samples(data + fragment(later, second, video=video)))
    expected, at = [], time
    for begin, samples in ((time, first), (later, second)):
        at = begin
        for duration, payload, key, offset in samples:
            shown = offset if video else 0
            expected.append(Sample(at, shown, duration, key or not video, payload))
            at += duration
    assert found == expected


@given(cut=st.integers(0, 200), at=st.integers(0, 200), value=st.integers(0, 255))
def test_what_is_broken_is_refused_or_read(cut: int, at: int, value: int) -> None:
    whole = bytearray(fragment(5, [(1, b"abc", True, 0), (1, b"d", False, 2)], video=True))
    whole[at % len(whole)] = value
    with contextlib.suppress(ValueError):
        assert sum(1 for _ in read_samples(bytes(whole[: len(whole) - cut]))) <= len(whole)


def test_a_sample_outside_of_its_segment_is_refused() -> None:
    data = fragment(5, [(1, b"abc", True, 0)], video=True)
    with pytest.raises(ValueError, match="outside"):
        list(read_samples(data[:-11] + box(b"mdat")))
