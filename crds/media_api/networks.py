"""Addresses and networks as people write them."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field


def parse_cidr(text: str) -> str:
    """Canonical CIDR of `10/8`, `192.168/16`, `10.1.2.3` or IPv6. Raises ValueError."""
    address, slash, prefix = text.strip().partition("/")
    if ":" not in address and address.count(".") < 3 and slash:
        address += ".0" * (3 - address.count("."))
    try:
        return str(ipaddress.ip_network(address + slash + prefix, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is no address or network: write 10.0.0.0/8 or 10/8") from None


Cidr = Annotated[
    str,
    Field(max_length=64, description="Address or network, 10.0.0.0/8 or the short 10/8."),
    AfterValidator(parse_cidr),
]
"""Kept in its canonical form."""


def _checked(text: str) -> str:
    parse_cidr(text)
    return text


Network = Annotated[
    str,
    Field(max_length=64, description="Address or network, 10.0.0.0/8 or the short 10/8."),
    AfterValidator(_checked),
]
"""Kept as it is written: one that is none would match nobody, and a refusal would be none."""
