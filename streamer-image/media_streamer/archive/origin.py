"""Which other server an input takes its stream from, and what the stream is called there. Pure."""

from typing import NamedTuple

from media_api.input import InputConfig

_PULLED = {
    "tshttp": "http", "m4f": "http", "m4s": "http",
    "tshttps": "https", "m4fs": "https", "m4ss": "https",
}  # fmt: skip


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
    name = path.removesuffix("/mpegts") if scheme.startswith("tshttp") else path
    if scheme not in _PULLED or not name or (scheme.startswith("tshttp") and name == path):
        return None
    return Origin(f"{_PULLED[scheme]}://{host}", name, config.cluster_key or "")
