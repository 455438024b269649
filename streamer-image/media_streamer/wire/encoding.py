"""MessagePack of message structs, for text that may hold anything.

Headers, names and tokens come from strangers. Python keeps bytes that are no UTF-8 in a `str` as
lone surrogates, which neither MessagePack nor JSON nor a hash can take. Here they become visible
escapes (`\\udcff`): different bytes stay different, nothing raises, and what crosses is plain
Unicode that all later code can use.
"""

from typing import Any

import msgspec

_encoder = msgspec.msgpack.Encoder()
_KEPT = (bytes, bytearray, memoryview)


def encode(message: object) -> bytes:
    """MessagePack of a struct or plain value."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        return _encoder.encode(_escaped(message))


def append(message: object, buffer: bytearray) -> None:
    """Add the MessagePack of `message` to the end of `buffer`."""
    start = len(buffer)
    try:
        _encoder.encode_into(message, buffer, start)
    except UnicodeEncodeError:
        del buffer[start:]
        _encoder.encode_into(_escaped(message), buffer, start)


def _escaped(message: object) -> Any:
    return _escape(msgspec.to_builtins(message, builtin_types=_KEPT))


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_escape(item) for item in value]
    if isinstance(value, dict):
        return {_escape(key): _escape(item) for key, item in value.items()}
    return value
