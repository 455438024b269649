"""Boxes written and found again; broken ones refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax import boxes

names = st.binary(min_size=4, max_size=4)


@given(st.lists(st.tuples(names, st.binary(max_size=30)), max_size=6))
def test_round_trip(parts: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(boxes.box(kind, payload) for kind, payload in parts)
    found = [(kind, data[begin:end]) for kind, begin, end in boxes.boxes(data)]
    assert found == parts


def test_find_goes_down_a_path() -> None:
    data = boxes.box(b"moov", boxes.box(b"mvhd"), boxes.box(b"trak", boxes.box(b"tkhd", b"x")))
    assert boxes.find(data, b"moov", b"trak", b"tkhd") == b"x"
    assert boxes.find(data, b"moov", b"mvex") is None
    assert boxes.find(data, b"moof") is None
    assert boxes.full_box(b"tfdt", 1, 2, b"x") == b"\x00\x00\x00\x0dtfdt\x01\x00\x00\x02x"


def test_a_track_gets_another_number() -> None:
    for version, stamps in ((0, 8), (1, 16)):
        tkhd = boxes.full_box(b"tkhd", version, 3, bytes(stamps), b"\0\0\0\1", bytes(60))
        trex = boxes.full_box(b"trex", 0, 0, b"\0\0\0\1", bytes(16))
        trak, mvex = boxes.box(b"trak", tkhd), boxes.box(b"mvex", trex)
        init = boxes.box(b"moov", trak, mvex)
        changed = boxes.with_track_id(init, 7)
        assert boxes.track_id(changed) == 7
        extends = boxes.find(changed, b"moov", b"mvex", b"trex")
        assert extends is not None
        assert extends[4:8] == b"\0\0\0\7"
        assert len(changed) == len(init)
        with pytest.raises(ValueError, match="trex"):
            boxes.with_track_id(boxes.box(b"moov", trak), 7)


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x20moov", b"\x00\x00\x00\x04moov"])
def test_boxes_that_do_not_fit_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        list(boxes.boxes(data))


@pytest.mark.parametrize("read", [boxes.timescale, boxes.track_id, boxes.sample_entry])
def test_init_without_tracks_is_refused(read: object) -> None:
    assert callable(read)
    with pytest.raises(ValueError, match="init segment"):
        read(boxes.box(b"moov"))


def test_version_1_headers() -> None:
    mdhd = boxes.full_box(b"mdhd", 1, 0, bytes(16), (48000).to_bytes(4, "big"), bytes(8))
    tkhd = boxes.full_box(b"tkhd", 1, 0, bytes(16), (7).to_bytes(4, "big"))
    init = boxes.box(b"moov", boxes.box(b"trak", tkhd, boxes.box(b"mdia", mdhd)))
    assert boxes.timescale(init) == 48000
    assert boxes.track_id(init) == 7
