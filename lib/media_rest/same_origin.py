"""Which web pages may command a server, and which may read what it answers.

A browser adds the login that it keeps for a server to whatever any page makes it send, and a name
that an attacker points at this machine (DNS rebinding) makes his page one of ours. So what says
where a request comes from is looked at before anything is done:

- `Sec-Fetch-Site` and `Origin` cannot be set by a script; a browser sends `Origin` with everything
  but GET and HEAD (Fetch standard, "append a request `Origin` header").
- What changes something by GET must be shown to come from a page of this server, or from no
  browser at all.
- `Host` counts where nothing else protects: reading without a login asks for a name of this
  machine (`is_loopback_host`). With a login a page of another name has none to send.

Pure: `headers` are looked up without regard to case by the caller's mapping.
"""

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

Headers = Mapping[str, str]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_BROWSER = "Mozilla/"  # how every browser's User-Agent begins
_CORS = {
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Expose-Headers": "*",
}


def page_problem(headers: Headers, allowed: Collection[str], *, changes: bool) -> str:
    """Why a request is not done, in words; empty if it may come from where it comes from.

    `allowed`: other sites that may (`media_api.web_origin`); `changes`: it does more than read.
    """
    origin, host = headers.get("Origin"), headers.get("Host", "")
    if origin is not None:
        if origin in allowed or _is_own(origin, host) or _site(headers) == "same-origin":
            return ""
        return f"pages of {origin[:100]!r} may not use this API"
    site = _site(headers)
    if site in ("same-origin", "none"):
        return ""
    if site:
        # Following a link shows the answer to the user, not to the page with the link.
        followed = headers.get("Sec-Fetch-Mode") == "navigate" and not changes
        return "" if followed else "pages of other sites may not use this API"
    if not changes or not headers.get("User-Agent", "").startswith(_BROWSER):
        return ""
    if _is_own(headers.get("Referer", ""), host):
        return ""
    return "a browser must say which page wants this: send it as POST"


def cors_headers(headers: Headers, allowed: Collection[str]) -> dict[str, str]:
    """What lets a page of `allowed` read the answer; for every other request nothing.

    An answer that may differ by origin says so to caches.
    """
    if not allowed:
        return {}
    answer = {"Vary": "Origin"}
    origin = headers.get("Origin")
    if origin is None or origin not in allowed:
        return answer
    answer |= {"Access-Control-Allow-Origin": origin, **_CORS}
    if headers.get("Access-Control-Request-Private-Network") == "true":
        answer["Access-Control-Allow-Private-Network"] = "true"
    return answer


def is_loopback(address: str) -> bool:
    """True for 127.0.0.0/8 and ::1, also as ::ffff:127.0.0.1."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def is_loopback_host(host: str) -> bool:
    """True if a Host header names this machine in a way that no DNS server can give away.

    `localhost` and names below it never leave the machine (RFC 6761, section 6.3).
    """
    try:
        parts = urlsplit(f"//{host}")
        name, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return False
    if parts.netloc != host or parts.username is not None:
        return False
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def _site(headers: Headers) -> str:
    return headers.get("Sec-Fetch-Site", "").lower()


def _is_own(url: str, host: str) -> bool:
    """True if a page of `url` was loaded from the address that `host` names."""
    try:
        page, here = urlsplit(url), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        if default is None or not page.hostname or here.netloc != host:
            return False
        return (page.hostname, page.port or default) == (here.hostname, here.port or default)
    except ValueError:
        return False
