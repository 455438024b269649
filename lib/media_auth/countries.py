"""The country of an address, from a database of the MaxMind format that the administrator brings.

Without one, `builtin` names what comes with the server: the country to which a registry (RIPE,
ARIN, …) gave the block of addresses, as of the version of the package. That is where its holder
is, not where it is used: it agrees with measured databases for about 95 % of IPv4 addresses.

The file may be replaced while the server runs: `refresh` looks at its date. An address that the
database does not know has no country.
"""

import ipaddress
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import iptocc
import maxminddb

log = logging.getLogger(__name__)


BUILTIN = "builtin"


class CountrySource(Protocol):
    """Who knows the countries of addresses."""

    def of(self, ip: str) -> str:
        """ISO 3166-1 alpha-2 code, upper case; empty if it is not known. Never raises."""

    def refresh(self) -> None:
        """Look for a newer database."""

    def close(self) -> None: ...


def open_countries(source: str) -> CountrySource:
    """A file, or `builtin`. Raises OSError, ValueError."""
    return AssignedCountries() if source == BUILTIN else Countries(Path(source))


class AssignedCountries:
    """Countries of the registries, in the memory of the package."""

    def of(self, ip: str) -> str:
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return ""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return iptocc.country_code(str(address)) or ""

    def refresh(self) -> None:
        """It changes with the package only."""

    def close(self) -> None:
        """There is nothing to close."""


class Countries:
    """`Countries(path)` raises OSError, ValueError; `of(ip)` never raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._modified = 0.0
        self._reader: maxminddb.Reader | None = None
        self._open()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def refresh(self) -> None:
        """Read the file again if it is another one now; one that cannot be read changes nothing."""
        try:
            if self._path.stat().st_mtime != self._modified:
                self._open()
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, countries are told as before: %s", self._path, error)

    def of(self, ip: str) -> str:
        """ISO 3166-1 alpha-2 code, upper case; empty if it is not known."""
        if self._reader is None:
            return ""
        try:
            # ::ffff:192.0.2.1 is how a dual-stack socket names an IPv4 client.
            found: Any = self._reader.get(ip.removeprefix("::ffff:") if "." in ip else ip)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return ""
        for key in ("country", "registered_country"):
            country = found.get(key) if isinstance(found, Mapping) else None
            code = country.get("iso_code") if isinstance(country, Mapping) else country
            if isinstance(code, str):
                return code.upper()
        return ""

    def _open(self) -> None:
        modified = self._path.stat().st_mtime
        try:
            # All of it in memory: a replaced file must not change under the reader.
            reader = maxminddb.open_database(self._path, maxminddb.MODE_MEMORY)
        except maxminddb.InvalidDatabaseError as error:
            raise ValueError(f"{self._path} is no database of countries: {error}") from None
        self.close()
        self._reader, self._modified = reader, modified
