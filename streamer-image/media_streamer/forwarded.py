"""Whose request it is that a proxy passes on: X-Forwarded-For, if the proxy may be believed.

Anybody can write that header, so by default it is ignored and a viewer is who holds the
connection. It is believed from two kinds of peers:

- those at an address of `trusted_proxies`;
- those that sign it with the cluster key, as our caches do. Their addresses change with every
  pod, and a pod that comes must not cost the streamers a restart. The signature is about one
  address and gives no other right, so who steals it can pretend to be that viewer only.

Invariant: what cannot be read gives the peer's own address.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from multidict import CIMultiDictProxy

ADDRESSES = "X-Forwarded-For"
SIGNATURE = "X-Forwarded-Signature"
"""Hex HMAC-SHA256 of the value of X-Forwarded-For; ours."""
MAX_HOPS = 16
CLIENT = "X-Real-IP"
"""To the API only, set by the egress worker: the client's address."""
RELAYED = "X-Relayed"
"""To the API only: a proxy that nobody vouches for passed the request on, so who sent it is not
who holds the connection."""
_PROXY_HEADERS = (ADDRESSES, CLIENT, "Forwarded", "Via")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def signing_key(cluster_key: str) -> bytes:
    """A key for this purpose alone: who has it cannot act with the cluster key."""
    return hmac.digest(cluster_key.encode(), b"forwarded", hashlib.sha256)


def sign(key: bytes, addresses: str) -> str:
    """Value of X-Forwarded-Signature for a value of X-Forwarded-For."""
    return hmac.new(key, _bytes(addresses), hashlib.sha256).hexdigest()


def names_others(headers: CIMultiDictProxy[str]) -> bool:
    """True if a proxy says that the request is somebody else's, believed or not."""
    return any(name in headers for name in _PROXY_HEADERS)


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whom X-Forwarded-For is believed of; by default nobody."""

    networks: tuple[Network, ...] = ()
    key: bytes | None = None
    """The signing key; None: signatures are not believed."""

    @classmethod
    def of(cls, networks: Iterable[str], key: bytes | None = None) -> "TrustedProxies":
        """`networks`: addresses or networks in CIDR notation. Raises ValueError."""
        return cls(tuple(map(ipaddress.ip_network, networks)), key)

    def is_proxy(self, peer: str) -> bool:
        """True for who speaks for many, by its address."""
        return self._in_networks(peer)

    def client(self, peer: str, headers: CIMultiDictProxy[str]) -> str:
        """Address of the client of a request that came over a connection from `peer`.

        The last address was written by the peer, the one before by whom that names, and so on
        as far as they are trusted (RFC 7239, section 5.2 and 8.1).
        """
        values = headers.getall(ADDRESSES, ())
        if not values:
            return peer
        value = ", ".join(values)
        if not (self._in_networks(peer) or self._is_signed(value, headers.get(SIGNATURE))):
            return peer
        hops = value.split(",")
        if len(hops) > MAX_HOPS:
            return peer
        client = peer
        for hop in reversed(hops):
            address = _parse(hop)
            if address is None:
                return peer
            client = str(address)
            if not self._trusts(address):
                break
        return client

    def _in_networks(self, peer: str) -> bool:
        address = _parse(peer) if self.networks else None
        return address is not None and self._trusts(address)

    def _trusts(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return any(address in network for network in self.networks)

    def _is_signed(self, value: str, signature: str | None) -> bool:
        if self.key is None or signature is None:
            return False
        return hmac.compare_digest(_bytes(sign(self.key, value)), _bytes(signature))


NOBODY = TrustedProxies()


def _bytes(field: str) -> bytes:
    """As it was on the wire: aiohttp keeps bytes that are no UTF-8 as surrogates."""
    return field.encode(errors="surrogateescape")


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for what is no address; zones (fe80::1%eth0) mean nothing on another machine."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address
