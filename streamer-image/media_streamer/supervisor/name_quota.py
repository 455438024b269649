"""How many names one address may make under a template: a template may take any name.

Counted are names that exist now; one that nobody uses goes after a minute and is free again. A
client of IPv6 has a whole /64, which counts as one address.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterable

MAX_NAMES_OF_ADDRESS = 100
"""By template. A house full of encoders stays below, a script that counts up does not."""


class NameQuota:
    """Who made which dynamic stream."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[str, str]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def allows(self, ip: str, template: str) -> bool:
        """Whether this address may make one name more."""
        return self._counts[_network(ip), template] < MAX_NAMES_OF_ADDRESS

    def made(self, name: str, ip: str, template: str) -> None:
        self.gone((name,))
        key = self._made[name] = _network(ip), template
        self._counts[key] += 1

    def gone(self, names: Iterable[str]) -> None:
        """These streams are no more; names that were not made by strangers may be among them."""
        for name in names:
            if (key := self._made.pop(name, None)) is not None:
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]


def _network(ip: str) -> str:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return ip
