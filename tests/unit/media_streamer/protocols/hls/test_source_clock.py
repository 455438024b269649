"""When pictures of an HLS source were made."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.hls.remote import settle
from media_streamer.protocols.hls.source_clock import (
    HEAD_BYTES,
    MAX_SEGMENTS,
    SourceClock,
    first_stamps,
    read_date,
)
from media_streamer.syntax.boxes import box, full_box

from tests.support.transport import packet, pes

TICK = 1 / 90_000
BEGAN = 1_700_000_000.0


def transport(*stamps: int) -> bytes:
    """A segment with a track for each."""
    return b"".join(
        packet(0x100 + n, pes(0xE0, stamp, b"x" * 100), 0, begins=True)
        for n, stamp in enumerate(stamps)
    )


def fragment(*times: int) -> bytes:
    """The same in fragmented MP4, with its media cut off."""
    tracks = [
        box(b"traf", full_box(b"tfhd", 0, 0, struct.pack(">I", n)),
            full_box(b"tfdt", 1, 0, struct.pack(">Q", time)))
        for n, time in enumerate(times, 1)
    ]  # fmt: skip
    return box(b"styp", b"msdh") + box(b"moof", *tracks) + struct.pack(">I4s", 10**6, b"mdat")


@pytest.mark.parametrize("make", [transport, fragment])
def test_a_segment_is_known_by_the_stamps_of_its_first_frames(make) -> None:
    assert first_stamps(make(900_000, 901_234)) == {900_000, 901_234}


@given(st.binary(max_size=400), st.sampled_from([b"\x47", b"\0\0\0\x40moof\0\0\0\x30traf", b""]))
def test_whatever_a_segment_begins_with(data: bytes, begin: bytes) -> None:
    assert all(0 <= stamp < 1 << 33 for stamp in first_stamps(begin + data))


def test_time_goes_on_from_segment_to_segment() -> None:
    clock = SourceClock()
    clock.opened(BEGAN, transport(900_000, 899_000))
    clock.opened(BEGAN + 4.02, transport(1_260_000))  # FFmpeg reads ahead
    ages = [
        clock.age(899_000, TICK, BEGAN + 30, may_begin=False),
        clock.age(900_000, TICK, BEGAN + 30, may_begin=True),
        clock.age(1_080_000, TICK, BEGAN + 32, may_begin=False),
        clock.age(1_260_000, TICK, BEGAN + 34, may_begin=True),
        clock.age(1_350_000, TICK, BEGAN + 35, may_begin=True),
    ]
    assert ages == pytest.approx([30.0, 30.0, 30.0, 29.98, 29.98], abs=0.02)


def test_stamps_that_wrap_and_packets_without() -> None:
    clock = SourceClock()
    clock.opened(BEGAN, transport((1 << 33) - 90_000))
    clock.opened(BEGAN + 2, transport(90_000))
    at = (1 << 33) - 90_000
    assert clock.age(at, TICK, BEGAN + 9, may_begin=True) == pytest.approx(9)
    assert clock.age(at + 180_000, TICK, BEGAN + 11, may_begin=True) == pytest.approx(9)
    packed = SourceClock()
    packed.opened(BEGAN, b"ID3")
    assert packed.age(44_100, 1 / 44_100, BEGAN + 7, may_begin=True) == pytest.approx(7)
    assert packed.age(88_200, 1 / 44_100, BEGAN + 9, may_begin=True) == pytest.approx(8)


def test_a_stamp_that_is_alike_by_chance_sets_no_clock() -> None:
    clock = SourceClock()
    clock.opened(BEGAN, fragment(0))
    clock.opened(BEGAN + 4, fragment(48_000))
    assert clock.age(0, TICK, BEGAN + 20, may_begin=True) == pytest.approx(20)
    assert clock.age(48_000, TICK, BEGAN + 20.5, may_begin=True) == pytest.approx(20, abs=0.1)


def test_another_clock_begins_where_it_jumps() -> None:
    clock = SourceClock()
    clock.opened(BEGAN, transport(900_000))
    assert clock.age(900_000, TICK, BEGAN + 20, may_begin=True) == pytest.approx(20)
    assert clock.age(90_000_000, TICK, BEGAN + 21, may_begin=False) == 0
    clock.opened(BEGAN + 100, transport(90_090_000))
    assert clock.age(90_090_000, TICK, BEGAN + 121, may_begin=True) == pytest.approx(21)


@pytest.mark.parametrize("late", [-5.0, 400.0, 1e9])
def test_what_cannot_be_right_is_not_believed(late: float) -> None:
    clock = SourceClock()
    clock.opened(BEGAN, transport(900_000))
    assert clock.age(900_000, TICK, BEGAN + late, may_begin=True) == 0


def test_nobody_says_and_nobody_takes_them() -> None:
    clock = SourceClock()
    clock.opened(None, transport(900_000))
    assert clock.age(900_000, TICK, BEGAN, may_begin=True) == 0
    for number in range(10_000):
        clock.opened(BEGAN, transport(number, number + 10**6) + b"\0" * HEAD_BYTES)
    assert len(clock._dates) <= 2 * MAX_SEGMENTS


def test_dates_of_a_playlist() -> None:
    text = """#EXTM3U
#EXT-X-MAP:URI="init.mp4"
#EXTINF:4,
a.ts
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:4.5,title
b.ts
#EXTINF:4,
#EXT-X-BYTERANGE:100@500
c.ts
#EXT-X-BYTERANGE:50
#EXTINF:2,
c.ts
#EXT-X-DISCONTINUITY
#EXT-X-BYTERANGE:9@NINES
#EXTINF:2,
d.ts
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T23:13:20+0100
#EXTINF:x,
e.ts
#EXTINF:1,
#EXT-X-PROGRAM-DATE-TIME:when it was
f.ts
"""
    base, text = "http://h.example/", text.replace("NINES", "9" * 5000)
    assert settle(text.encode(), f"{base}index.m3u8").dates == {
        (f"{base}b.ts", 0): BEGAN,
        (f"{base}c.ts", 500): BEGAN + 4.5,
        (f"{base}c.ts", 600): BEGAN + 8.5,
    }


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = read_date(text)
    assert found is None or isinstance(found, float)
