"""What of the head of a message goes on from one hop to the next (RFC 9110, 7.6.1), and what is
told of the client of a request that is passed on. Pure.

Invariant: the client's address goes along in headers that a client cannot forge: its own ones of
these names are thrown away.
"""

from collections.abc import Mapping

from multidict import CIMultiDict, CIMultiDictProxy

from media_streamer.egress.http.request import plain_text
from media_streamer.forwarded import CLIENT, RELAYED, names_others

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    }
)
_OURS = frozenset(
    {
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-signature",
        CLIENT.lower(),
        RELAYED.lower(),
    }
)


def end_to_end(source: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers that are not of one connection."""
    headers = CIMultiDict((name, plain_text(value)) for name, value in source.items())
    named = {name.strip().lower() for name in ",".join(headers.getall("Connection", ())).split(",")}
    for name in HOP_BY_HOP | named:
        headers.popall(name, None)
    return headers


def request_headers(
    source: CIMultiDictProxy[str], *, ip: str, peer: str, secure: bool
) -> CIMultiDict[str]:
    """Those of a request that is passed on for a client of the address `ip`; the connection is with
    `peer`."""
    headers = end_to_end(source)
    for name in _OURS:
        headers.popall(name, None)
    headers["X-Forwarded-For"] = headers[CLIENT] = ip
    if ip == peer and names_others(source):
        headers[RELAYED] = "1"
    headers["X-Forwarded-Proto"] = "https" if secure else "http"
    return headers


def head(first: str, headers: Mapping[str, str]) -> bytes:
    """First line and headers as bytes, with their end. Raises ValueError if one would be more than
    a line."""
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a header has more than one line")
    return "\r\n".join((*lines, "\r\n")).encode(errors="surrogateescape")
