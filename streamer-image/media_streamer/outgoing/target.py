"""Addresses of sources, taken apart, and the error of everything that asks them."""

import re
from dataclasses import dataclass, field
from typing import Literal

from media_streamer.outgoing.url import Url, UrlError

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
        try:
            found = Url.of(url, _DEFAULT_PORTS, "http")
        except UrlError as error:
            raise HttpError(f"the source leads to {error}") from None
        path = found.path if found.path.startswith("/") else f"/{found.path}"
        return cls(
            "https" if found.scheme == "https" else "http",
            found.host,
            found.port,
            _UNSAFE.sub(lambda unsafe: f"%{ord(unsafe[0]):02X}", path),
            f"{found.user}:{found.password}" if found.password else found.user,
        )

    @property
    def place(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"
