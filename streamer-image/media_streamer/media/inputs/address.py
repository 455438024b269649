"""URLs of sources for logs, events and statistics: without anything that opens a door."""

import re

_QUERY_VALUE = re.compile(r"=[^&]*")


def without_credentials(url: str) -> str:
    """`url` with user and password and the values of its query masked.

    All before the last @ counts as credentials: passwords contain any character, and hiding too
    much does less harm.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"
    _, at, address = rest.rpartition("@")
    path, mark, query = address.partition("#")[0].partition("?")
    masked = "***@" if at else ""
    return f"{scheme}://{masked}{path}{mark}{_QUERY_VALUE.sub('=***', query)}"
