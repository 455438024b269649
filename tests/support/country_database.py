"""Makes a database of countries in the MaxMind format (MaxMind DB File Format 2.0).

A binary tree over the bits of addresses, whose leaves point at data; IPv4 lies at ::/96.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_RECORD_BITS = 24
_SEPARATOR = b"\0" * 16


def write_country_database(path: Path, countries: Mapping[str, str]) -> Path:
    """`countries`: network -> ISO code."""
    data = b""
    offsets: dict[str, int] = {}
    for code in dict.fromkeys(countries.values()):
        offsets[code] = len(data)
        data += _encode({"country": {"iso_code": code}})
    nodes: list[list[int | None]] = [[None, None]]
    leaves: dict[tuple[int, int], int] = {}
    for network, code in countries.items():
        _add(nodes, leaves, network, offsets[code])
    count = len(nodes)
    tree = b""
    for number, node in enumerate(nodes):
        for side in (0, 1):
            if (number, side) in leaves:
                value = count + len(_SEPARATOR) + leaves[number, side]
            else:
                value = count if node[side] is None else int(node[side] or 0)
            tree += value.to_bytes(_RECORD_BITS // 8, "big")
    metadata = _encode(
        {
            "node_count": count, "record_size": _RECORD_BITS, "ip_version": 6,
            "database_type": "Test-Country", "languages": ["en"],
            "binary_format_major_version": 2, "binary_format_minor_version": 0,
            "build_epoch": 1, "description": {"en": "of a test"},
        }
    )  # fmt: skip
    path.write_bytes(tree + _SEPARATOR + data + _MARKER + metadata)
    return path


def _add(
    nodes: list[list[int | None]], leaves: dict[tuple[int, int], int], network: str, offset: int
) -> None:
    parsed = ipaddress.ip_network(network)
    bits, length = int(parsed.network_address), parsed.prefixlen
    if parsed.version == 4:
        length += 96
    path = [bits >> (127 - index) & 1 for index in range(length)]
    node = 0
    for bit in path[:-1]:
        following = nodes[node][bit]
        if following is None:
            nodes.append([None, None])
            following = nodes[node][bit] = len(nodes) - 1
        node = following
    leaves[node, path[-1]] = offset


def _encode(value: Any) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return bytes([2 << 5 | len(raw)]) + raw
    if isinstance(value, int):
        raw = value.to_bytes(4, "big").lstrip(b"\0")
        return bytes([6 << 5 | len(raw)]) + raw
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(_encode, value))
    body = b"".join(_encode(key) + _encode(item) for key, item in value.items())
    return bytes([7 << 5 | len(value)]) + body
