"""Addresses of sources, taken apart, and the error of everything that asks them."""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

MAX_URL_CHARACTERS = 8192
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


class HttpError(Exception):
    """A request failed; the text is for people and names no URL."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str
    """With the query, as it goes into the request line."""
    login: str = field(default="", repr=False)
    """`user:password`, decoded."""

    @classmethod
    def of(cls, url: str) -> "Target":
        """Raises HttpError for what is no http(s) URL."""
        if len(url) > MAX_URL_CHARACTERS:
            raise HttpError("an address of the source is too long")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise HttpError("an address of the source cannot be read") from None
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise HttpError(f"the source leads to a {scheme[:16] or 'relative'} address, not http")
        user = unquote(parts.netloc.rpartition("@")[0])
        path = urlunsplit(SplitResult("", "", parts.path or "/", parts.query, ""))
        return cls(
            "https" if scheme == "https" else "http",
            parts.hostname,
            port or _DEFAULT_PORTS[scheme],
            _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", path),
            user,
        )

    @property
    def place(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"
