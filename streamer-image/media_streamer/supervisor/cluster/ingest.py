"""Which server of a cluster captures a stream that several have (`cluster_ingest`). Pure.

Every server decides for itself from what its peers list, and all come to the same: the one that
`capture_at` names while it lives, else the first by a rank that each stream shuffles anew, so that
the streams of a server that dies are spread over the others. A server that lives is never asked.
"""

import hashlib
from collections.abc import Collection, Mapping


def capturer(stream: str, capture_at: str | None, servers: Collection[str]) -> str:
    """Of `servers`, host names of those that live and have the stream: at least one."""
    if capture_at in servers:
        return str(capture_at)
    return max(servers, key=lambda server: (_rank(stream, server), server))


def capturers(
    own: str, streams: Mapping[str, str | None], peers: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """By stream of this server, the host name of the peer that captures it; not those that this
    server captures itself.

    `streams`: `capture_at` by name; `peers`: by host name of each that lives, its streams.
    """
    found = {}
    for name, capture_at in streams.items():
        servers = [own, *(peer for peer, names in peers.items() if name in names)]
        if (chosen := capturer(name, capture_at, servers)) != own:
            found[name] = chosen
    return found


def _rank(stream: str, server: str) -> bytes:
    return hashlib.blake2b(f"{server}\0{stream}".encode(), digest_size=8).digest()
