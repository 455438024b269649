"""From the path of a request to who answers it. No I/O, no state.

A stream's name may contain slashes, so a path is read from its end: the last components say what is
wanted, all before them is the name. Which forms there are say the protocols (`routes` of their
`play.py` and `publish.py`).
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, unquote

from aiohttp import web

if TYPE_CHECKING:
    from media_streamer.egress.http.request import MediaRequest

Handler = Callable[["MediaRequest"], Awaitable[web.StreamResponse]]

MAX_NAME_CHARACTERS = 255
MAX_QUERY_FIELDS = 64
READS = ("GET", "HEAD")
Content = Literal["page", "list", "file", "endless", "download"]
"""What is answered: something that is no viewing (a page, a picture), a playlist, media that never
changes under its name, media without an end, or the very file that the whole path names: its name
keeps the ending. Caches go by it."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")


_ARCHIVED = r"/(video-)?(archive|index|video|rewind|timeshift_abs|timeshift_rel)-[0-9now-]+"
UNSERVED = {
    re.compile(r"\.isml?/manifest"): "Smooth Streaming",
    re.compile(r"/shoutcast"): "SHOUTcast",
    re.compile(rf"/index\.json|{_ARCHIVED}\.json"): "The manifest in JSON",
    re.compile(rf"/manifest\.f4m|{_ARCHIVED}\.f4m"): "HDS",
}
"""Ends of the paths of forms that are known and not served, and what they are called."""
_RECORDED = "what is recorded is told by recording_status.json"
_AS_MP4 = re.compile(rf"{_ARCHIVED}\.mp4\Z")
_OTHERWISE = re.compile(rf"{_ARCHIVED}(\.flv|\.m4f|/mpegts|/mse_ld|/whep|/embed\.html)\Z")
"""Forms of the present behind a time of the archive."""


def not_found(path: str) -> str:
    """What is told of a decoded path that leads nowhere."""
    text = path[-MAX_NAME_CHARACTERS:].lower()
    for form, title in UNSERVED.items():
        if re.search(rf"(?:{form.pattern})\Z", text):
            words = f"{title} is not served by this version"
            return f"{words}: {_RECORDED}" if text.endswith(".json") else words
    if _AS_MP4.search(text):
        return "What is recorded is downloaded as archive-FROM-DURATION.mp4"
    if _OTHERWISE.search(text):
        return "What is recorded is not played in this form: .m3u8, .mpd, .ts and .mp4 are"
    return "There is nothing here"


class BadPath(ValueError):  # noqa: N818 - what the client is told
    """The path or query cannot be meant: broken encoding, `..`, control characters."""


@dataclass(frozen=True, slots=True)
class Route:
    """A form of path and who answers it.

    `form` is a last component with its slash ("/mpegts"), an ending of the name (".flv"), or a
    regular expression for the whole path, whose group `name` is the stream and whose other groups
    the handler gets as `values`. An expression is tried only on paths that hold `marker`;
    such a path is of no other form (`NAME/tracks-v1/9.ts` is no stream without an end).
    """

    form: str | re.Pattern[str]
    handler: Handler
    methods: tuple[str, ...] = READS
    marker: str = ""
    content: Content = "page"
    shared: bool = False
    """Other paths that hold the marker may be of other forms."""
    counted_as: str = ""
    """Protocol whose viewers ask so; empty: nobody views by it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who answers a form of path."""

    content: Content
    handlers: dict[str, Handler] = field(default_factory=dict)
    """By method."""
    counted_as: dict[str, str] = field(default_factory=dict)
    """By method: the protocol whose viewers ask so."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads."""

    name: str
    endpoint: Endpoint
    values: Mapping[str, str] = field(default_factory=dict)


class Router:
    """All routes of the HTTP ports; raises ValueError if two want the same."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._last: dict[str, Endpoint] = {}
        self._endings: dict[str, Endpoint] = {}
        self._shared: set[str] = set()
        self._marked: dict[str, dict[re.Pattern[str], Endpoint]] = {}
        self.methods: set[str] = set()
        """All that any route answers."""
        for route in routes:
            endpoint = self._endpoint(route)
            handlers = endpoint.handlers
            self.methods.update(route.methods)
            for method in route.methods:
                if method in handlers:
                    raise ValueError(f"two protocols answer {method} {route.form}")
                handlers[method] = route.handler
                if route.counted_as:
                    endpoint.counted_as[method] = route.counted_as

    def _endpoint(self, route: Route) -> Endpoint:
        new = Endpoint(route.content)
        if isinstance(route.form, re.Pattern):
            if not route.marker or "name" not in route.form.groupindex:
                raise ValueError(f"{route.form.pattern} needs a marker and a group `name`")
            if route.shared:
                self._shared.add(route.marker)
            return self._marked.setdefault(route.marker, {}).setdefault(route.form, new)
        if route.form.startswith("/"):
            return self._last.setdefault(route.form[1:], new)
        return self._endings.setdefault(route.form, new)

    def find(self, path: str) -> Found | None:
        """Who answers a decoded path; None if it is nothing that is played or published."""
        found = self._find(path)
        if found is not None and len(found.name) > MAX_NAME_CHARACTERS:
            raise BadPath("the name of the stream is too long")
        return found

    def _find(self, path: str) -> Found | None:
        held = [forms for marker, forms in self._marked.items() if marker in path]
        for forms in held:
            for pattern, endpoint in forms.items():
                if match := pattern.fullmatch(path):
                    values = match.groupdict(default="")
                    return Found(values.pop("name"), endpoint, values)
        if any(marker not in self._shared for marker in self._marked if marker in path):
            return None
        name, _, last = path.rpartition("/")
        if name and (by_last := self._last.get(last)):
            return Found(name, by_last)
        ending = last[last.rfind(".") :]
        if last != ending and (by_ending := self._endings.get(ending)):
            whole = by_ending.content == "download"
            return Found(path if whole else path.removesuffix(ending), by_ending)
        return None


def wire_text(target: str) -> str:
    """`target` if its bytes were UTF-8; raises BadPath."""
    try:
        target.isascii() or target.encode()
    except UnicodeEncodeError:
        raise BadPath("the address is not UTF-8") from None
    return target


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
