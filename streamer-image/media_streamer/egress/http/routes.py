"""From the path of a request to what it asks for. Pure: no I/O, no state.

A stream's name may contain slashes, so a path is read from its end: the last components say what is
wanted, all before them is the name. URL forms: Flussonic Media Server's public documentation of
playback URLs.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote

Kind = Literal[
    "hls_master",
    "hls_media",
    "hls_segment",
    "hls_init",
    "hls_part",
    "ts",
    "flv",
    "preview",
    "player",
    "info",
]

MAX_NAME_CHARACTERS = 255
MAX_QUERY_FIELDS = 64


class BadPath(ValueError):  # noqa: N818 - what the client is told
    """The path or query cannot be meant: broken encoding, `..`, control characters."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a request asks for. `file` is the rest that the kind needs (see `_LAST`)."""

    kind: Kind
    name: str
    track: str = ""
    file: str = ""
    number: int = 0
    index: int = 0


_LAST: dict[str, tuple[Kind, str]] = {
    "index.m3u8": ("hls_master", "ts"),
    "playlist.m3u8": ("hls_master", "ts"),
    "video.m3u8": ("hls_master", "ts"),
    "index.fmp4.m3u8": ("hls_master", "fmp4"),
    "index.ll.m3u8": ("hls_master", "ll"),
    "mpegts": ("ts", ""),
    "flv": ("flv", ""),
    "preview.jpg": ("preview", ""),
    "embed.html": ("player", ""),
    "media_info.json": ("info", "media_info"),
    "info.json": ("info", "info"),
}
_IN_TRACK = {"mono.m3u8": "ts", "index.fmp4.m3u8": "fmp4", "index.ll.m3u8": "ll"}
_TRACK = r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]{1,64})/"
_SEGMENT = re.compile(
    _TRACK + r"(?P<file>\d{4}/\d\d/\d\d/\d\d/\d\d/\d\d-\d{5,9}(?:-\d{3})?)\.(?:ts|m4s)"
)
_PART = re.compile(_TRACK + r"part-(?P<number>\d{1,15})-(?P<index>\d{1,6})\.m4s")
_INIT = re.compile(_TRACK + r"init-(?P<file>[0-9a-f]{8})\.mp4")
_MEDIA = re.compile(_TRACK + r"(?P<file>mono\.m3u8|index\.(?:fmp4|ll)\.m3u8)")
_ALIASES: tuple[tuple[str, Kind], ...] = ((".flv", "flv"), (".ts", "ts"))
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")


def decode_path(raw_path: str) -> str:
    """Percent-decode a path and refuse what no stream's name can be; no leading slash remains."""
    try:
        path = unquote(raw_path, errors="strict")
    except UnicodeDecodeError:
        raise BadPath("the path is not UTF-8") from None
    if _UNPRINTABLE.search(path):
        raise BadPath("the path has control characters or backslashes")
    if not path.startswith("/"):
        raise BadPath("the path does not start with a slash")
    if any(component in {"", ".", ".."} for component in path[1:].split("/")):
        raise BadPath("the path has empty components or dots")
    return path[1:]


def parse_query(raw_query: str) -> dict[str, str]:
    """The first value of each parameter; raises BadPath for too many or broken ones."""
    if not raw_query:
        return {}
    try:
        pairs = parse_qsl(
            raw_query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except (UnicodeDecodeError, ValueError):
        raise BadPath("the query string cannot be read") from None
    return dict(reversed(pairs))


def find_route(path: str) -> Route | None:
    """What a decoded path asks for; None if it is nothing that is played or published."""
    route = _find(path)
    if route is not None and len(route.name) > MAX_NAME_CHARACTERS:
        raise BadPath("the name of the stream is too long")
    return route


def _find(path: str) -> Route | None:
    name, _, last = path.rpartition("/")
    if "/tracks-" in path:
        return _in_track(path)
    if name and (found := _LAST.get(last)):
        return Route(found[0], name, file=found[1])
    for suffix, kind in _ALIASES:
        if last.endswith(suffix) and last != suffix:
            return Route(kind, path.removesuffix(suffix))
    return None


def _in_track(path: str) -> Route | None:
    if match := _SEGMENT.fullmatch(path):
        return Route("hls_segment", match["name"], match["track"], match["file"])
    if match := _PART.fullmatch(path):
        number, index = int(match["number"]), int(match["index"])
        return Route("hls_part", match["name"], match["track"], number=number, index=index)
    if match := _MEDIA.fullmatch(path):
        return Route("hls_media", match["name"], match["track"], _IN_TRACK[match["file"]])
    if match := _INIT.fullmatch(path):
        return Route("hls_init", match["name"], match["track"], match["file"])
    return None
