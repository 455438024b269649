"""AMF: values survive, bounds hold, no bytes break the decoder."""

import contextlib
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.amf3 import MAX_DEPTH, AmfError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(bool), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.lists(VALUES, max_size=4))
def test_values_survive(values: list[Any]) -> None:
    assert amf.decode(amf.encode(*values)) == values


def test_a_long_text() -> None:
    assert amf.decode(amf.encode("x" * 70000)) == ["x" * 70000]
    with pytest.raises(TypeError):
        amf.encode(object())


def test_the_connect_of_a_real_client() -> None:
    """First bytes of librtmp's connect."""
    data = bytes.fromhex(
        "020007636f6e6e656374003ff00000000000000300036170700200046c697665"
        "0008666c61736856657202000d4c4e5820392c302c3132342c32000009"
    )
    assert amf.decode(data) == ["connect", 1.0, {"app": "live", "flashVer": "LNX 9,0,124,2"}]


def test_types_that_only_others_send() -> None:
    data = b"".join(
        (
            b"\x08\0\0\0\1\0\1a\x05\0\0\x09",  # ECMA array {a: null}
            b"\x0b" + struct.pack(">dh", 5.0, 0),  # date
            b"\x06\x0d",  # undefined, unsupported
            b"\x10\0\1C\0\1b\x01\1\0\0\x09",  # typed object
            b"\x0f\0\0\0\2<>",  # XML
        )
    )
    assert amf.decode(data) == [{"a": None}, 5.0, None, None, {"b": True}, "<>"]


def test_amf3_inside_amf0() -> None:
    members = b"\x0a\x0b\x01\x07app\x06\x09live\x07num\x04\x81\x00\x03f\x03\x01"
    items = b"\x09\x05\x01\x02\x06\x00"  # [false, the text at reference 0]
    assert amf.decode(b"\x11" + members) == [{"app": "live", "num": 128, "f": True}]
    assert amf.decode(b"\x11" + b"\x09\x03\x01\x06\x09live") == [["live"]]
    assert amf.decode(b"\x11\x04\xff\xff\xff\xff\x11\x05" + struct.pack(">d", 0.5)) == [-1, 0.5]
    assert amf.decode(b"\x11\x0c\x05ab\x11\x08\x01" + bytes(8)) == [b"ab", 0.0]
    with pytest.raises(AmfError, match="not sent"):
        amf.decode(b"\x11" + items)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x00\0", "cut off"),
        (b"\x02\0\5abc", "cut off"),
        (b"\x03\0\1a", "cut off"),
        (b"\x0a\xff\xff\xff\xff", "cut off"),
        (b"\x0a\0\0\0\1" * (MAX_DEPTH + 2) + b"\x05", "nested"),
        (b"\x11" + b"\x09\x03\x01" * (MAX_DEPTH + 2) + b"\x01", "nested"),
        (b"\x07\0\0", "marker 0x07"),
        (b"\x11\x30", "marker 0x30"),
        (b"\x11\x0a\x07", "externalizable"),
    ],
)
def test_what_is_no_amf(data: bytes, reason: str) -> None:
    with pytest.raises(AmfError, match=reason):
        amf.decode(data)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x11", b"\x03\0\1a\x11\x0a"]))
def test_no_bytes_break_the_decoder(data: bytes, prefix: bytes) -> None:
    with contextlib.suppress(AmfError):
        amf.decode(prefix + data)


def test_not_a_number_is_a_number() -> None:
    (value,) = amf.decode(amf.encode(math.nan))
    assert math.isnan(value)
