"""When files of an archive play as one."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.essence import essence
from media_streamer.syntax import boxes

from .conftest import track_init


def test_measured_rates_make_no_other_tracks() -> None:
    first, second = (track_init(90_000, rate=rate) for rate in (1000, 2000))
    assert first != second
    assert essence(first) == essence(second)
    assert essence(first) != essence(track_init(48_000, rate=1000))


def test_rates_in_an_elementary_stream_descriptor_do_not_count_either() -> None:
    def esds(rate: int, config: bytes) -> bytes:
        specific = b"\x05\x80\x80\x80\x02" + config
        decoder = b"\x40\x15" + bytes(3) + struct.pack(">II", rate, rate) + specific
        inner = b"\x04\x80\x80\x80" + bytes([len(decoder)]) + decoder
        return boxes.full_box(b"esds", 0, 0, b"\x03\x80\x80\x80\x40" + bytes(3) + inner)

    assert essence(esds(1, b"\x11\x90")) == essence(esds(2, b"\x11\x90"))
    assert essence(esds(1, b"\x11\x90")) != essence(esds(1, b"\x12\x10"))
    assert essence(esds(1, b"\x11\x90\x56\xe5\x00")) == essence(esds(2, b"\x11\x90"))


def picture(config: bytes, *more: bytes, kind: bytes = b"avc1") -> bytes:
    entry = boxes.box(kind, bytes(78), boxes.box(b"avcC", config), *more)
    table = boxes.box(b"stbl", boxes.full_box(b"stsd", 0, 0, b"\0\0\0\1", entry))
    handler = boxes.full_box(b"hdlr", 0, 0, bytes(4), b"vide", bytes(13))
    media = boxes.box(b"mdia", handler, boxes.box(b"minf", table))
    return boxes.box(b"moov", boxes.box(b"trak", media))


SPS, PPS = bytes.fromhex("6742c01eda0280bfe59a83"), bytes.fromhex("68ce3c80")


def record(sps: bytes, pps: bytes, more: bytes = b"") -> bytes:
    sets = b"\xe1" + struct.pack(">H", len(sps)) + sps + b"\1" + struct.pack(">H", len(pps)) + pps
    return b"\1\x42\xc0\x1e\xff" + sets + more


def test_parameter_sets_count_and_nothing_beside_them() -> None:
    first = picture(record(SPS, PPS, b"\xfc\xfa\xf9\0"), boxes.box(b"btrt", bytes(12)))
    assert essence(first) == essence(picture(record(SPS, PPS + b"\0")))
    others = [
        picture(record(SPS, PPS[:-1] + b"\x81")),
        picture(record(SPS + b"\1", PPS)),
        picture(record(SPS, PPS), boxes.box(b"colr", b"nclx")),
        picture(record(SPS, PPS), kind=b"avc3"),
    ]
    assert len({essence(one) for one in [first, *others]}) == 5


@given(st.binary(max_size=60), st.sampled_from([b"", b"\0\0\0\x10moov\0\0\0\x08trak"]))
@pytest.mark.parametrize("whole", [picture(record(SPS, PPS))])
def test_whatever_a_section_holds(whole: bytes, noise: bytes, begin: bytes) -> None:
    assert essence(begin + noise) is not None
    cut = whole[: len(noise) * 3]
    assert (essence(cut) == essence(whole)) == (cut == whole)
