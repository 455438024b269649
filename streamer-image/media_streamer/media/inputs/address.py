"""URLs of sources for logs, events and statistics: without anything that opens a door."""

import re
from urllib.parse import urlsplit, urlunsplit

_QUERY_VALUE = re.compile(r"=[^&]*")


def without_credentials(url: str) -> str:
    """`url` with user and password and the values of its query masked."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"
    try:
        # FFmpeg and media servers use schemes that urlsplit does not know to have a host.
        parts = urlsplit(f"//{rest}" if not rest.startswith("/") else rest)
    except ValueError:
        return f"{scheme}://***"
    host = parts.netloc.rpartition("@")
    authority = f"***@{host[2]}" if host[1] else host[2]
    query = _QUERY_VALUE.sub("=***", parts.query)
    text = urlunsplit(("", authority, parts.path, query, ""))
    return f"{scheme}://{text.removeprefix('//')}"
