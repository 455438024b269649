"""NAL units: splitting and joining are each other's inverse; broken records are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax import nal

# A NAL unit holds no start code and does not end in zero (emulation prevention guarantees it).
units = st.lists(
    st.binary(min_size=1, max_size=40)
    .map(lambda data: data.replace(b"\x00\x00", b"\x00\x03") + b"\x80")
    .filter(lambda unit: b"\x00\x00\x01" not in unit),
    min_size=1,
    max_size=8,
)


@given(units)
def test_annex_b_round_trip(nal_units: list[bytes]) -> None:
    assert nal.split_annex_b(nal.join_annex_b(nal_units)) == nal_units


@given(units, st.booleans(), st.integers(0, 3))
def test_start_codes_of_three_bytes_and_trailing_zeros(
    nal_units: list[bytes], short: bool, zeros: int
) -> None:
    code = b"\x00\x00\x01" if short else nal.START_CODE
    stream = b"".join(code + unit + bytes(zeros) for unit in nal_units)
    assert nal.split_annex_b(stream) == nal_units


@given(units)
def test_length_prefixed_round_trip(nal_units: list[bytes]) -> None:
    joined = nal.join_length_prefixed(nal_units)
    assert nal.split_length_prefixed(joined) == nal_units
    assert nal.split_annex_b(bytes(nal.to_annex_b(joined))) == nal_units


@given(units, st.integers(1, 200))
def test_cut_length_prefixed_data_is_refused_or_shorter(nal_units: list[bytes], cut: int) -> None:
    joined = nal.join_length_prefixed(nal_units)[:-cut]
    try:
        found = nal.split_length_prefixed(joined)
    except ValueError:
        return
    assert found == nal_units[: len(found)]


def test_length_sizes_below_four() -> None:
    assert nal.split_length_prefixed(b"\x00\x02ab\x00\x01c", 2) == [b"ab", b"c"]


def test_avcc() -> None:
    sps, pps = b"\x67\x42\x00\x1e\xaa", b"\x68\xce\x38\x80"
    record = b"\x01\x42\x00\x1e\xff\xe1\x00\x05" + sps + b"\x01\x00\x04" + pps
    assert nal.parameter_sets("h264", record) == [sps, pps]
    assert nal.length_size("h264", record) == 4
    assert nal.length_size("h264", nal.START_CODE + sps) == 0
    with pytest.raises(ValueError, match="ends early"):
        nal.parameter_sets("h264", record[:-2])


def test_annex_b_extradata_keeps_only_parameter_sets() -> None:
    extradata = nal.join_annex_b([b"\x09\x10", b"\x67\x42", b"\x68\xce"])
    assert nal.parameter_sets("h264", extradata) == [b"\x67\x42", b"\x68\xce"]
    assert nal.parameter_sets("hevc", b"") == []


@pytest.mark.parametrize("unit", [b"\0\0\0\0", b"\0\0\0\1\x65"])
def test_a_picture_of_a_million_units_is_none(unit: bytes) -> None:
    """Sixteen MiB of them held the loop of a media worker up for 1.6 s."""
    assert nal.split_length_prefixed(unit * nal.MAX_UNITS) is not None
    with pytest.raises(ValueError, match="more than"):
        nal.split_length_prefixed(unit * (nal.MAX_UNITS + 1))
    assert len(nal.split_annex_b(b"\0\0\1\x65" * 1_000_000)) == nal.MAX_UNITS
