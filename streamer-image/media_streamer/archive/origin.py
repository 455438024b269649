"""Which other server an input takes its stream from, and what the stream is called there. Pure."""

import re
from typing import NamedTuple

from media_api.input import InputConfig

_PULLED = {
    "tshttp": "http", "m4f": "http", "m4s": "http",
    "tshttps": "https", "m4fs": "https", "m4ss": "https",
}  # fmt: skip
_PLAYLISTS = {
    "hls": "http", "hls2": "http", "llhls": "http", "cmaf": "http",
    "hlss": "https", "hlss2": "https", "llhlss": "https", "cmafs": "https",
}  # fmt: skip
_FRAMES = frozenset({"m4f", "m4fs", "m4s", "m4ss"})
_OF_TRACKS = re.compile(r"tracks-[a-z0-9]+")


class Origin(NamedTuple):
    """A stream of another server."""

    base: str
    """`http://HOST[:PORT]`"""
    stream: str
    cluster_key: str


def origin_of(config: InputConfig) -> Origin | None:
    """None for an input that is no stream of a server whose archive can be asked for."""
    scheme, _, rest = config.url.partition("://")
    host, _, path = rest.partition("/")
    base, name = _PULLED.get(scheme, ""), path
    if scheme in _PLAYLISTS:
        base, name = _PLAYLISTS[scheme], _before_playlist(path.partition("?")[0])
    elif scheme.startswith("tshttp"):
        name, found, rest = path.rpartition("/mpegts")
        name = name if found and not rest else ""
    if not base or not name:
        return None
    return Origin(f"{base}://{host}", name, config.cluster_key or "")


def is_by_frames(config: InputConfig) -> bool:
    """Whether segments have the names here that they have there."""
    return config.scheme in _FRAMES


def may_be_of_others(config: InputConfig) -> bool:
    """Whether it may as well be a stream of a server that is none of ours: any sends playlists."""
    return config.scheme in _PLAYLISTS


def _before_playlist(path: str) -> str:
    """`NAME` of `NAME/index.m3u8`, `NAME/tracks-v1a1/mono.m3u8`; empty if it is none of these."""
    folder, _, file = path.rpartition("/")
    name, found, last = folder.rpartition("/")
    if found and _OF_TRACKS.fullmatch(last):
        folder = name
    return folder if file.endswith(".m3u8") else ""
