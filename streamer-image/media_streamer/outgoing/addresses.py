"""Addresses that nothing here connects to unless the administrator of the machine says so.

Link-local addresses and the metadata services of clouds give keys to whoever asks from inside. The
list of exceptions is an environment variable and no directive: who may only write the configuration
cannot open it. Checked is the address that is connected to, after every name resolution and every
redirect, so neither a redirect nor a DNS answer that changes gets around it.
"""

import errno
import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "STREAMER_LINK_LOCAL_ALLOWED"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REFUSED: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",  # link-local (RFC 3927); metadata of AWS, GCP, Azure, OpenStack
            "fe80::/10",  # link-local (RFC 4291)
            "fd00:ec2::/32",  # metadata of AWS
            "fd20:ce::254/128",  # metadata of GCP
            "100.100.100.200/32",  # metadata of Alibaba Cloud
            "192.0.0.192/32",  # metadata of Oracle Cloud
            "168.63.129.16/32",  # host service of Azure
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefusedError(PermissionError):
    """The address is one that nothing here connects to; the text names the way out."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EACCES, text)

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be connected to; `allowed` are exceptions from `REFUSED`."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Reach":
        """Networks of STREAMER_LINK_LOCAL_ALLOWED, apart by blanks or commas. Raises ValueError."""
        words = environ.get(VARIABLE, "").replace(",", " ").split()
        return cls(tuple(ipaddress.ip_network(word, strict=False) for word in words))

    def check(self, host: str) -> None:
        """Raises AddressRefusedError if `host` is an address that is refused; names pass."""
        address = _parse(host)
        if address is None:
            return
        for one in _meant_by(address):
            refused = any(one in network for network in REFUSED)
            if refused and not any(one in network for network in self.allowed):
                raise AddressRefusedError(
                    f"{one} is a link-local or metadata address: {VARIABLE} lets the server"
                    " connect to such addresses"
                )

    def check_host(self, host: str, port: int) -> None:
        """The same for whatever a name stands for now; may ask the DNS. A name that nobody knows
        passes: who connects will say so."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        for *_, place in found:
            self.check(str(place[0]))


class OneWay:
    """What a client may connect to that follows redirects: as `Reach` says, and from elsewhere no
    redirect leads to this machine itself."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._is_local = False
        self.redirected = False
        """Set by the client once it follows one."""

    def check(self, host: str) -> None:
        """Raises AddressRefusedError for an address that is not to be connected to."""
        self._reach.check(host)
        if not self.redirected:
            self._is_local = self._is_local or is_loopback(host)
        elif is_loopback(host) and not self._is_local:
            raise AddressRefusedError("the server redirects to this machine itself")


def reach_of_process() -> Reach:
    """That of the environment; one that cannot be read allows nothing (the start tells of it)."""
    try:
        return Reach.of(os.environ)
    except ValueError:
        return Reach()


def is_loopback(host: str) -> bool:
    """True for an address of this machine itself."""
    address = _parse(host)
    return address is not None and any(
        one.is_loopback or one.is_unspecified for one in _meant_by(address)
    )


def _parse(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _meant_by(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 address that an IPv6 form of it leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address, address.ipv4_mapped)
    if address.sixtofour is not None:
        return (address, address.sixtofour)
    if address in _NAT64:
        return (address, ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return (address,)
