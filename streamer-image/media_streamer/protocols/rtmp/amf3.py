"""AMF3 values (Adobe AMF 3 specification, 2013), as clients with objectEncoding 3 put into AMF0.

Only decoding: such clients understand answers in AMF0. References to strings, objects and traits
are followed, because real clients send them.
"""

import struct
from typing import Any

MAX_DEPTH = 32
"""No command nests deeper than three; recursion must not be the peer's to choose."""
_DOUBLE = struct.Struct(">d")


class AmfError(Exception):
    """The data are no AMF, cut off, or nested too deep."""


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position
        self.strings: list[str] = []
        self.objects: list[Any] = []
        self.traits: list[tuple[list[str], bool]] = []

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise AmfError("value is cut off")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def u29(self) -> int:
        """Integer of 1 to 4 bytes (section 1.3.1)."""
        number = 0
        for _ in range(3):
            byte = self.take(1)[0]
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                return number
        return number << 8 | self.take(1)[0]

    def text(self) -> str:
        head = self.u29()
        if not head & 1:
            return str(_at(self.strings, head >> 1))
        text = self.take(head >> 1).decode("utf-8", "replace")
        if text:
            self.strings.append(text)
        return text

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise AmfError(f"nested deeper than {MAX_DEPTH}")
        marker = self.take(1)[0]
        match marker:
            case 0x00 | 0x01:
                return None
            case 0x02:
                return False
            case 0x03:
                return True
            case 0x04:
                number = self.u29()
                return number - (1 << 29) if number & 1 << 28 else number
            case 0x05:
                return _DOUBLE.unpack(self.take(8))[0]
            case 0x06:
                return self.text()
            case 0x08:
                return self._date()
            case 0x07 | 0x0B | 0x0C:
                return self._bytes(marker)
            case 0x09:
                return self._array(depth)
            case 0x0A:
                return self._object(depth)
        raise AmfError(f"unknown AMF3 marker 0x{marker:02x}")

    def _date(self) -> Any:
        head = self.u29()
        if not head & 1:
            return _at(self.objects, head >> 1)
        value = _DOUBLE.unpack(self.take(8))[0]
        self.objects.append(value)
        return value

    def _bytes(self, marker: int) -> Any:
        head = self.u29()
        if not head & 1:
            return _at(self.objects, head >> 1)
        data = self.take(head >> 1)
        value: Any = data if marker == 0x0C else data.decode("utf-8", "replace")
        self.objects.append(value)
        return value

    def _array(self, depth: int) -> Any:
        head = self.u29()
        if not head & 1:
            return _at(self.objects, head >> 1)
        count = head >> 1
        named: dict[str, Any] = {}
        items: list[Any] = []
        self.objects.append(items)
        while key := self.text():
            named[key] = self.value(depth + 1)
        if count > len(self.data) - self.position:
            raise AmfError(f"array of {count} values is cut off")
        items.extend(self.value(depth + 1) for _ in range(count))
        return {**named, **{str(i): item for i, item in enumerate(items)}} if named else items

    def _object(self, depth: int) -> Any:
        head = self.u29()
        if not head & 1:
            return _at(self.objects, head >> 1)
        names, dynamic = self._read_traits(head)
        values: dict[str, Any] = {}
        self.objects.append(values)
        for name in names:
            values[name] = self.value(depth + 1)
        if dynamic:
            while key := self.text():
                values[key] = self.value(depth + 1)
        return values

    def _read_traits(self, head: int) -> tuple[list[str], bool]:
        if not head & 2:
            names, dynamic = _at(self.traits, head >> 2)
            return names, dynamic
        if head & 4:
            raise AmfError("externalizable objects are not understood")
        self.text()  # class name
        count = head >> 4
        if count > len(self.data) - self.position:
            raise AmfError(f"object of {count} members is cut off")
        traits = ([self.text() for _ in range(count)], bool(head & 8))
        self.traits.append(traits)
        return traits


def _at(table: list[Any], index: int) -> Any:
    if index >= len(table):
        raise AmfError(f"reference to {index}, which was not sent")
    return table[index]


def decode(data: bytes, position: int, depth: int = 0) -> tuple[Any, int]:
    """(value, end) of the AMF3 value at `position`. Raises AmfError."""
    reader = _Reader(data, position)
    return reader.value(depth), reader.position
