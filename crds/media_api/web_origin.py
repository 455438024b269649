"""Web sites whose pages are let in: origins, as browsers write them (RFC 6454, section 6.2)."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_web_origin(text: str) -> str:
    """`scheme://host[:port]` in the form of the header Origin. Raises ValueError."""
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        raise _refused(text) from None
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment)
    if not parts.hostname or parts.scheme not in _DEFAULT_PORTS or any(rest) or "@" in parts.netloc:
        raise _refused(text)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _refused(text: str) -> ValueError:
    return ValueError(f"{text!r} is no web site: write https://HOST or http://HOST:PORT")


WebOrigin = Annotated[
    str,
    Field(max_length=300, description="Web site, https://HOST or http://HOST:PORT."),
    AfterValidator(parse_web_origin),
]
