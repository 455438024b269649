"""AV1 OBUs: sizes of any length, broken ones refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax import obu


def leb128(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


@given(st.lists(st.tuples(st.integers(0, 15), st.binary(max_size=300)), max_size=6))
def test_split_finds_every_unit(parts: list[tuple[int, bytes]]) -> None:
    built = [(kind, bytes((kind << 3 | 2,)) + leb128(len(data)) + data) for kind, data in parts]
    assert list(obu.split(b"".join(unit for _, unit in built))) == built


@pytest.mark.parametrize("data", [b"\x12\x05ab", b"\x0a", b"\x0a" + b"\x80" * 9])
def test_broken_sizes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="OBU"):
        list(obu.split(data))


def test_last_unit_may_have_no_size() -> None:
    assert list(obu.split(b"\x12\x00\x08abc")) == [(2, b"\x12\x00"), (1, b"\x08abc")]


def test_a_unit_of_a_million_obus_is_none() -> None:
    assert len(list(obu.split(obu.DELIMITER * obu.MAX_UNITS))) == obu.MAX_UNITS
    with pytest.raises(ValueError, match="more than"):
        list(obu.split(obu.DELIMITER * (obu.MAX_UNITS + 1)))
