"""`playback_headers` of a stream: headers of its own in the answers to its viewers.

What is said there goes before what this server says under the same name (a CORS header, a
Cache-Control), so a client never hears two. Answers that refuse are not changed.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from media_streamer.wire.control import PlaybackHeaders


class MoreHeaders(NamedTuple):
    """Of one session."""

    lists: Mapping[str, str]
    """Playlists, manifests and media without an end."""
    segments: Mapping[str, str]
    """Segments, parts, initialisation sections."""


def chosen(rules: Iterable[PlaybackHeaders], proto: str, *, archive: bool) -> MoreHeaders:
    """Of all rules that hold for a protocol (name of its row), of live or recorded media. Where two
    say the same header the later one counts."""
    lists: dict[str, str] = {}
    segments: dict[str, str] = {}
    for rule in rules:
        if rule.playback and (rule.playback == "dvr") is not archive:
            continue
        if rule.protocols is not None and proto not in rule.protocols:
            continue
        _put(lists, rule.headers)
        _put(segments, rule.segment_headers)
    return MoreHeaders(lists, segments)


def _put(known: dict[str, str], more: Mapping[str, str]) -> None:
    for name in [one for one in known if one.lower() in {key.lower() for key in more}]:
        del known[name]
    known.update(more)


def with_headers(head: bytes, more: Mapping[str, str]) -> bytes:
    """A head of HTTP/1.1, whole or up to its last line, with these lines in place of its own of the
    same names. No value has a line end (`media_api.playback`)."""
    names = tuple(f"{name.lower()}:".encode() for name in more)
    first, *lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(names)]
    added = [f"{name}: {value}".encode() for name, value in more.items()]
    return b"\r\n".join((first, *added, *kept))
