"""Configuration records as FFmpeg writes them, from what RTP brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax import nal, records

WRITTEN = {
    ("h264", "main"): (
        "014d400dffe1001a674d400deca0a8cf111180880000030008000003019078a14cb001000568ebe3cb20"
    ),
    ("hevc", "main"): (
        "0101600000009000000000003cf000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003"
        "000003003c959809a10001002b42010101600000030090000003000003003ca00a480b9c9265959a4932bc05"
        "a02000000300200000030321a2000100074401c172b46240"
    ),
    ("hevc", "main 10"): (
        "0102200000009000000000003cf000fcfdfafa00000f03a00001001840010c01ffff02200000030090000003"
        "000003003c959809a10001002c42010102200000030090000003000003003ca00a480b9c92365959a4932bc0"
        "5a020000030002000003003210a2000100074401c172b46240"
    ),
    ("hevc", "4:2:2, 10 bits"): (
        "0104080000009d08000000003cf000fcfefafa00000f03a00001001740010c01ffff0408000003009d080000"
        "0300003c959809a10001002b4201010408000003009d0800000300003cb00a480b9c93b65959a4932bc05a02"
        "0000030002000003003210a2000100074401c172b46240"
    ),
}
"""Records in files of FFmpeg 5.1 (x264, x265); those of HEVC without its array of messages."""


@pytest.mark.parametrize(("codec", "profile"), WRITTEN)
def test_the_record_is_that_of_ffmpeg(codec: str, profile: str) -> None:
    expected = bytes.fromhex(WRITTEN[codec, profile])
    assert records.record(codec, nal.parameter_sets(codec, expected)) == expected


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_missing_set_gives_no_record(codec: str) -> None:
    sets = nal.parameter_sets(codec, bytes.fromhex(WRITTEN[codec, "main"]))
    assert records.record(codec, sets[:-1]) == b""
    assert records.record(codec, []) == b""
    assert records.record(codec, [*sets, *sets]) == records.record(codec, sets)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.sampled_from(["h264", "hevc"]))
def test_garbage_is_refused_or_no_record(tails: list[bytes], codec: str) -> None:
    heads = {"h264": (b"\x67", b"\x68"), "hevc": (b"\x40\x01", b"\x42\x01", b"\x44\x01")}[codec]
    units = [head + tail for tail in tails for head in heads]
    try:
        found = records.record(codec, units)
    except ValueError:
        return
    assert (found == b"") == (not units)
