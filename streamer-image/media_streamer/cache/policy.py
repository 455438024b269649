"""What is asked for and what may be kept. Pure: no I/O, no clock.

The grammar of URLs is that of the streamer (`egress.http.routes`), so a stream's name is read here
as the origin reads it. Only files that never change under their name are kept: segments, parts and
initialisation sections that the origin calls immutable or fresh for a minute and more. Playlists
are asked for anew each time.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from media_streamer.egress.http.mount import path_forms
from media_streamer.egress.http.proxy import is_api_path
from media_streamer.egress.http.routes import MAX_QUERY_FIELDS, BadPath, decode_path

MIN_MAX_AGE_SECONDS = 60
"""Below this a response is no file that stays: playlists and pictures say less."""
_MEDIA_SUFFIXES = (".ts", ".m4s", ".mp4", ".m4a", ".m4v", ".aac", ".mp3", ".vtt")
_LIST_SUFFIXES = (".m3u8", ".mpd")
_STATIC_PREFIXES = ("/ui/static/",)
_NO_IDENTITY = frozenset({"_HLS_msn", "_HLS_part", "_HLS_skip", "filter.tracks"})
"""Parameters that say what is wanted, not who wants it."""
_LIST_TYPES = ("mpegurl", "dash+xml")


class NotServed(LookupError):  # noqa: N818 - it is an answer, not a failure
    """The path is nothing that a cache passes on, or its stream is excluded."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for."""

    path: str
    """Decoded, without the leading slash: the key of a stored file."""
    stream: str
    identity: str
    """Who asks: the query without what only says which part is wanted. Empty = anonymous."""
    is_media: bool
    """May be stored, if the answer allows it."""
    shows_access: bool
    """A 200 shows that the origin lets this identity play this stream."""

    @property
    def is_list(self) -> bool:
        """A playlist: what a viewer asks for as long as it plays."""
        return self.shows_access and not self.is_media and self.path.endswith(_LIST_SUFFIXES)


def private_key(path: str, identity: str) -> str:
    """The key of a file that the origin gives to one identity only."""
    return f"{path}?{identity}"


def read_target(raw_path: str, raw_query: str) -> Wanted:
    """From the request's target; raises BadPath (400) or NotServed (404)."""
    if is_api_path(raw_path) and not raw_path.startswith(_STATIC_PREFIXES):
        # The edge is public: an origin's API and its health pages are not.
        raise NotServed(raw_path)
    path = decode_path(raw_path)
    identity = _identity(raw_query)
    if raw_path.startswith(_STATIC_PREFIXES):
        return Wanted(path, "", identity, is_media=False, shows_access=False)
    if is_api_path(f"/{path}") or path.startswith("-/"):
        raise NotServed(path)
    found = path_forms().find(path)
    # A file of a location is named like one beside the playlists of other servers.
    if found is not None and found.endpoint.content != "download":
        content = found.endpoint.content
        # The endless form of ours is the name of a segment elsewhere.
        is_media = content == "file" or (content == "endless" and path.endswith(".ts"))
        # Pages and pictures have other rules of access than playing.
        return Wanted(path, found.name, identity, is_media, shows_access=content != "page")
    # Files beside playlists that are none of the streamer's own.
    folder, _, last = path.rpartition("/")
    name = folder.partition("/tracks-")[0]
    if not name or not last.endswith(_MEDIA_SUFFIXES + _LIST_SUFFIXES):
        raise NotServed(path)
    return Wanted(path, name, identity, last.endswith(_MEDIA_SUFFIXES), shows_access=True)


def _identity(raw_query: str) -> str:
    if not raw_query:
        return ""
    try:
        pairs = parse_qsl(
            raw_query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except (UnicodeDecodeError, ValueError):
        raise BadPath("the query string cannot be read") from None
    return urlencode(sorted(pair for pair in pairs if pair[0] not in _NO_IDENTITY))


class NameFilter:
    """`only` and `except`: names, or patterns in which `*` is any text. `except` wins."""

    def __init__(self, only: Sequence[str], except_: Sequence[str]) -> None:
        self._only = _pattern(only)
        self._except = _pattern(except_)

    def serves(self, stream: str) -> bool:
        if self._except is not None and self._except.fullmatch(stream):
            return False
        return self._only is None or self._only.fullmatch(stream) is not None


def _pattern(names: Sequence[str]) -> re.Pattern[str] | None:
    if not names:
        return None
    return re.compile("|".join(".*".join(map(re.escape, name.split("*"))) for name in names))


@dataclass(frozen=True, slots=True)
class CacheControl:
    """A Cache-Control field (RFC 9111, 5.2.2)."""

    directives: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "CacheControl":
        found: dict[str, str] = {}
        for item in text.split(","):
            name, _, value = item.strip().partition("=")
            if name:
                found.setdefault(name.lower(), value.strip('" '))
        return cls(found)

    def __contains__(self, name: str) -> bool:
        return name in self.directives

    @property
    def max_age(self) -> int:
        """Seconds; `s-maxage` is meant for shared caches and goes first. 0 if there is none."""
        text = self.directives.get("s-maxage") or self.directives.get("max-age") or ""
        # Ten digits are 300 years; more is nonsense.
        return int(text[:10]) if text.isascii() and text.isdigit() else 0


def is_private(headers: Mapping[str, str]) -> bool:
    """Whether an answer is for one viewer only."""
    return "private" in CacheControl.parse(headers.get("Cache-Control", ""))


def is_list(headers: Mapping[str, str]) -> bool:
    """Whether an answer is a playlist or manifest."""
    return any(part in headers.get("Content-Type", "").lower() for part in _LIST_TYPES)


def lifetime_seconds(status: int, headers: Mapping[str, str]) -> float | None:
    """How long an answer may be kept, from now; infinity if immutable, None if not at all.

    Needs a Content-Length: without one the end of a broken connection looks like the end of the
    file (RFC 9112, 8).
    """
    control = CacheControl.parse(headers.get("Cache-Control", ""))
    length = headers.get("Content-Length", "")
    vary = headers.get("Vary", "").strip().lower()
    if (
        status != 200
        or not (length.isascii() and length.isdigit() and int(length) > 0)
        or is_list(headers)
        or "Content-Encoding" in headers
        or "Set-Cookie" in headers
        or vary not in ("", "accept-encoding")
        or "no-store" in control
        or "no-cache" in control
    ):
        return None
    if "immutable" in control:
        return math.inf
    age = headers.get("Age", "")
    left = control.max_age - (int(age[:10]) if age.isascii() and age.isdigit() else 0)
    return float(left) if left >= MIN_MAX_AGE_SECONDS else None
