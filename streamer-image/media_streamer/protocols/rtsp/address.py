"""The URL of a request: which stream, which of its tracks, with what parameters."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from media_streamer.presentation.selection import track_names

MAX_PARAMETERS = 64
_CONTROL = re.compile(r"/?trackID=(\d{1,3})$")


class BadUrl(ValueError):  # noqa: N818 - what the client is told
    """The URL names nothing."""


@dataclass(frozen=True, slots=True)
class StreamUrl:
    """A URL without its control suffix."""

    base: str
    """As the client wrote it: what its further requests begin with."""
    name: str
    query: str
    parameters: dict[str, str]
    track: int | None = None
    """Number behind `trackID=`; None: the whole presentation."""

    @property
    def tracks(self) -> tuple[str, ...]:
        """`?tracks=v1a1` or `?filter.tracks=`: names of the tracks that are wanted; () for all."""
        wanted = self.parameters.get("tracks") or self.parameters.get("filter.tracks") or ""
        return track_names(wanted)


def parse(url: str) -> StreamUrl:
    """Read the URL of a request; raises BadUrl."""
    track = None
    if match := _CONTROL.search(url):
        track = int(match[1])
        url = url[: match.start()]
    base = url.rstrip("/")
    try:
        parts = urlsplit(base)
        path = unquote(parts.path, encoding="utf-8", errors="strict")
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise BadUrl("the URL cannot be read") from None
    return StreamUrl(base, path.strip("/"), parts.query, dict(reversed(pairs)), track)
