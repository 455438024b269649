"""AMF0 (Adobe AMF 0 specification, 2007): the values of RTMP commands and of onMetaData.

Invariants: decoding takes time linear in the length of the data and nests at most MAX_DEPTH deep;
it raises AmfError and nothing else. References are not followed (nobody sends them in commands).
"""

import struct
from typing import Any

from media_streamer.protocols.rtmp import amf3
from media_streamer.protocols.rtmp.amf3 import MAX_DEPTH, AmfError

NUMBER, BOOLEAN, STRING, OBJECT = 0x00, 0x01, 0x02, 0x03
NULL, UNDEFINED, REFERENCE, ECMA_ARRAY, OBJECT_END = 0x05, 0x06, 0x07, 0x08, 0x09
STRICT_ARRAY, DATE, LONG_STRING, UNSUPPORTED = 0x0A, 0x0B, 0x0C, 0x0D
XML_DOCUMENT, TYPED_OBJECT, AVMPLUS = 0x0F, 0x10, 0x11

_DOUBLE = struct.Struct(">d")


class Reader:
    """Reads values one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def more(self) -> bool:
        return self.position < len(self._data)

    def value(self, depth: int = 0) -> Any:
        """The next value. Objects and ECMA arrays become dicts. Raises AmfError."""
        if depth > MAX_DEPTH:
            raise AmfError(f"nested deeper than {MAX_DEPTH}")
        marker = self._take(1)[0]
        match marker:
            case 0x00:
                return _DOUBLE.unpack(self._take(8))[0]
            case 0x01:
                return self._take(1)[0] != 0
            case 0x02:
                return self._text(2)
            case 0x03:
                return self._object(depth)
            case 0x05 | 0x06 | 0x0D:
                return None
            case 0x08:
                self._take(4)  # the count is a hint only (section 2.10)
                return self._object(depth)
            case 0x0A:
                return self._array(depth)
            case 0x0B:
                return _DOUBLE.unpack(self._take(10)[:8])[0]
            case 0x0C | 0x0F:
                return self._text(4)
            case 0x10:
                self._text(2)  # class name
                return self._object(depth)
            case 0x11:
                value, self.position = amf3.decode(self._data, self.position, depth)
                return value
        raise AmfError(f"unknown AMF0 marker 0x{marker:02x}")

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise AmfError("value is cut off")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def _text(self, length_bytes: int) -> str:
        length = int.from_bytes(self._take(length_bytes))
        return self._take(length).decode("utf-8", "replace")

    def _object(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while True:
            key = self._text(2)
            if not key and self.more and self._data[self.position] == OBJECT_END:
                self.position += 1
                return values
            values[key] = self.value(depth + 1)

    def _array(self, depth: int) -> list[Any]:
        count = int.from_bytes(self._take(4))
        if count > len(self._data) - self.position:
            raise AmfError(f"array of {count} values is cut off")  # each takes a byte at least
        return [self.value(depth + 1) for _ in range(count)]


def decode(data: bytes) -> list[Any]:
    """All values in `data`. Raises AmfError."""
    reader = Reader(data)
    values = []
    while reader.more:
        values.append(reader.value())
    return values


def encode(*values: Any) -> bytes:
    """AMF0 of None, booleans, numbers, texts, dicts (objects) and lists. Raises TypeError."""
    return b"".join(_encode(value) for value in values)


def _encode(value: Any) -> bytes:
    if value is None:
        return bytes([NULL])
    if isinstance(value, bool):
        return bytes([BOOLEAN, value])
    if isinstance(value, int | float):
        return bytes([NUMBER]) + _DOUBLE.pack(value)
    if isinstance(value, str):
        data = value.encode()
        if len(data) > 0xFFFF:
            return bytes([LONG_STRING]) + struct.pack(">I", len(data)) + data
        return bytes([STRING]) + struct.pack(">H", len(data)) + data
    if isinstance(value, dict):
        parts = [_key(key) + _encode(item) for key, item in value.items()]
        return bytes([OBJECT]) + b"".join(parts) + bytes([0, 0, OBJECT_END])
    if isinstance(value, list):
        items = b"".join(_encode(item) for item in value)
        return bytes([STRICT_ARRAY]) + struct.pack(">I", len(value)) + items
    raise TypeError(f"AMF0 has no {type(value).__name__}")


def _key(key: str) -> bytes:
    data = key.encode()[:0xFFFF]
    return struct.pack(">H", len(data)) + data
