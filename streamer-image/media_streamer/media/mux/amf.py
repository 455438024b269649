"""AMF0, writing only: `onMetaData` of FLV (AMF0 specification, sections 2.2 to 2.13)."""

import struct
from collections.abc import Mapping

Value = float | int | bool | str

_DOUBLE = struct.Struct(">d")


def string(value: str) -> bytes:
    """A string with its marker; at most 65535 bytes."""
    return b"\x02" + _text(value)


def ecma_array(items: Mapping[str, Value]) -> bytes:
    """An associative array."""
    parts = [b"\x08", len(items).to_bytes(4, "big")]
    for key, item in items.items():
        parts += [_text(key), _value(item)]
    return b"".join([*parts, b"\x00\x00\x09"])


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"\x01\x01" if value else b"\x01\x00"
    if isinstance(value, str):
        return string(value)
    return b"\x00" + _DOUBLE.pack(value)


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data
