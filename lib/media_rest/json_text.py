"""JSON as bodies of requests have it (RFC 8259): Python's reader takes more than that.

NaN and Infinity are no JSON; a number beyond a float becomes infinite, one of thousands of digits
an integer that no other program has; and of a key that stands twice one value is lost, which one
depends on the reader (section 4).
"""

import json
from collections.abc import Iterable
from typing import Any

MAX_DIGITS = 309
"""Of a number: more than a float has."""


def parse_json(raw: bytes | str) -> Any:
    """The value of a text. Raises ValueError that says what is wrong."""
    try:
        return json.loads(
            raw,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _short(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = _first_twice(key for key, _ in pairs)
        raise ValueError(f"the key {twice[:100]!r} stands twice in an object")
    for key in found:
        if not key.isascii() and key.encode(errors="replace").decode() != key:
            raise ValueError(f"the key {key[:100]!r} holds half a character")
    return found


def _first_twice(keys: Iterable[str]) -> str:
    """The first key that was there before: bodies hold 100,000 keys, so each is asked once."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    raise ValueError("no key stands twice")
