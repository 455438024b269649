"""What the two ends of a channel may say to each other, and the version that follows from it."""

import hashlib
from collections.abc import Iterator
from types import UnionType
from typing import Any, Generic, TypeVar, get_args

import msgspec

Said_contra = TypeVar("Said_contra", contravariant=True)
Heard_co = TypeVar("Heard_co", covariant=True)

MAGIC = b"\x89MSW"
"""First bytes of each direction: not text, and not what another program would send."""
PREAMBLE_BYTES = len(MAGIC) + 8


class Side(Generic[Said_contra, Heard_co]):
    """One end: it says one closed union of structs and hears another.

    Both ends send the same preamble, which ends with a digest of all fields of both unions. A
    process of another version of the program has another one, and is told from ours before its
    first message is read. Nobody has to remember to count a version up.
    """

    def __init__(self, name: str, said: Any, heard: Any) -> None:
        self.name = name
        self.decoder: msgspec.msgpack.Decoder[Heard_co] = msgspec.msgpack.Decoder(heard)
        lines = sorted({line for kind in (said, heard) for line in _describe(kind)})
        text = "\n".join((name, *lines))
        self.preamble = (
            MAGIC + hashlib.sha256(text.encode()).digest()[: PREAMBLE_BYTES - len(MAGIC)]
        )


def _describe(kind: Any) -> Iterator[str]:
    """A line for each struct that can be met inside a type."""
    seen: set[Any] = set()
    waiting = [kind]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        waiting += get_args(one)
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            fields = msgspec.structs.fields(one)
            told = ", ".join(f"{field.encode_name}: {_name(field.type)}" for field in fields)
            yield f"{one.__name__} {one.__struct_config__.tag}({told})"
            waiting += [field.type for field in fields]


def _name(kind: Any) -> str:
    if isinstance(kind, UnionType) or get_args(kind):
        return str(kind)
    return getattr(kind, "__qualname__", None) or str(kind)
