"""STUN and TURN servers as a peer is told them: Link headers of an answer (RFC 9725 4.6). Pure.

Only who is let in gets the headers, so credentials go to nobody else.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from media_streamer.wire.control import IceServer

NAME = "media"


def ice_links(servers: Iterable[IceServer], now: float) -> list[str]:
    """Values of Link headers; `now`: Unix seconds, from which credentials of a secret count."""
    return [_link(one, now) for one in servers]


def _link(server: IceServer, now: float) -> str:
    link = f'<{server.url}>; rel="ice-server"'
    if server.url.startswith("stun"):
        return link
    username, password = server.username, server.password
    if server.secret:
        username, password = credentials(server.secret, now + server.lifetime_seconds)
    return (
        f"{link}; username={_quoted(username)}; credential={_quoted(password)};"
        ' credential-type="password"'
    )


def credentials(secret: str, until: float) -> tuple[str, str]:
    """Name and password that a TURN server with the same secret takes until then (TURN REST API,
    draft-uberti-behave-turn-rest-00 2.2; coturn's `use-auth-secret`)."""
    username = f"{int(until)}:{NAME}"
    digest = hmac.digest(secret.encode(), username.encode(), hashlib.sha1)
    return username, base64.b64encode(digest).decode()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
