"""Stream ids: which stream a peer means, and what it wants with it.

Forms: `#!::r=NAME,m=publish,…` (SRT Access Control Guidelines), `publish:NAME` and `read:NAME`
(what encoders made for other servers send), a plain `NAME`, each with `?token=…` behind the name.
NAME may have slashes and percent escapes. The first form may come as a URL has it
(`%23!::r%3DNAME…`): ffmpeg, and so OBS Studio, sends the parameter of its URL as it stands there.
"""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote

MAX_CHARACTERS = 512
MAX_FIELDS = 32
_PREFIX = "#!::"
_ESCAPED_HASH = "%23"
_UNREADABLE = "the stream id cannot be read"
_MODES: dict[str, Literal["play", "publish"]] = {
    "request": "play",
    "read": "play",
    "play": "play",
    "publish": "publish",
    "push": "publish",
}


class BadStreamId(ValueError):  # noqa: N818 - what the peer is told
    """The stream id cannot be meant."""


@dataclass(frozen=True, slots=True)
class StreamId:
    """What a peer asks for. `mode` is None where it does not say."""

    name: str
    mode: Literal["play", "publish"] | None = None
    query: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    """Of the query string and of the list of keys."""


def parse(text: str) -> StreamId:
    """Read a stream id; raises BadStreamId. An empty one names no stream."""
    if len(text) > MAX_CHARACTERS:
        raise BadStreamId(f"a stream id of more than {MAX_CHARACTERS} characters")
    if text.startswith(_ESCAPED_HASH) and (meant := _unquoted(text)).startswith(_PREFIX):
        text = meant
    if text.startswith(_PREFIX):
        return _keys(text.removeprefix(_PREFIX))
    mode: Literal["play", "publish"] | None = None
    head, colon, rest = text.partition(":")
    if colon and head in _MODES:
        mode, text = _MODES[head], rest
    return _named(text, mode, {})


def _keys(text: str) -> StreamId:
    found: dict[str, str] = {}
    for item in text.split(",")[:MAX_FIELDS]:
        key, equals, value = item.partition("=")
        if equals:
            found.setdefault(key.strip(), value)
    mode = found.pop("m", "")
    if mode and mode not in _MODES:
        raise BadStreamId(f"mode {mode[:20]!r} is not served: m=request or m=publish")
    name = found.pop("r", "")
    if "u" in found:
        found.setdefault("user", found["u"])
    return _named(name, _MODES.get(mode), found)


def _named(text: str, mode: Literal["play", "publish"] | None, keys: dict[str, str]) -> StreamId:
    path, _, query = text.partition("?")
    try:
        pairs = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise BadStreamId(_UNREADABLE) from None
    name = _unquoted(path).strip("/")
    return StreamId(name, mode, query, {**keys, **pairs})


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except ValueError:
        raise BadStreamId(_UNREADABLE) from None
