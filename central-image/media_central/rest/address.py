"""The address of who calls. A proxy is believed where TRUSTED_PROXIES names it."""

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from media_central.rest.context import context

FORWARDED = "X-Forwarded-For"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(request: web.Request) -> str:
    """The caller's address; that of a proxy's client behind a proxy that is trusted."""
    chain = ",".join(request.headers.getall(FORWARDED, []))
    return client_of(chain, request.remote or "", context(request).settings.trusted_proxies)


def client_of(chain: str, peer: str, trusted: Sequence[Network]) -> str:
    """The last address of `X-Forwarded-For` that no trusted proxy has. Pure.

    Each proxy adds who called it at the end; what stands before an address that is not trusted may
    be anybody's invention.
    """
    found = peer
    for word in reversed([word.strip() for word in chain.split(",") if word.strip()]):
        if not inside(found, trusted):
            return found
        try:
            found = str(ipaddress.ip_address(word))
        except ValueError:
            return found
    return found


def inside(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address belongs to one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)
