"""URLs of sources and of targets, taken apart with the same bounds whatever their protocol. Pure.

Errors never repeat a URL, which may hold secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

MAX_URL_CHARACTERS = 8192
_SHOWN_SCHEME = 16


class UrlError(ValueError):
    """The URL leads nowhere; the text begins with an article: "a URL without a host"."""


@dataclass(frozen=True, slots=True)
class Url:
    """`SCHEME://[USER[:PASSWORD]@]HOST[:PORT]/PATH[?QUERY]`."""

    scheme: str
    """In lower case."""
    host: str
    port: int
    """That of the scheme, where the URL has none."""
    path: str = field(repr=False)
    """With the query, as it is written."""
    bare: str = field(repr=False)
    """The URL without its login."""
    user: str = field(default="", repr=False)
    """Decoded, as the password."""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, ports: Mapping[str, int], family: str) -> "Url":
        """`ports`: of each scheme that may be, which people call `family`. Raises UrlError."""
        if len(url) > MAX_URL_CHARACTERS:
            raise UrlError("a URL that is too long")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UrlError("a URL that, or whose port, cannot be read") from None
        scheme = parts.scheme.lower()
        if scheme not in ports:
            raise UrlError(f"a {scheme[:_SHOWN_SCHEME] or 'relative'} address, not {family}")
        if not parts.hostname:
            raise UrlError(f"a URL that lacks a host: write {scheme}://HOST/NAME")
        login, _, place = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        return cls(
            scheme,
            parts.hostname,
            port or ports[scheme],
            urlunsplit(SplitResult("", "", parts.path, parts.query, "")),
            urlunsplit(SplitResult(scheme, place, parts.path, parts.query, "")),
            unquote(user),
            unquote(password),
        )
