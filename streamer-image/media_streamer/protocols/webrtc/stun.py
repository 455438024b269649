"""STUN binding requests and their answers, as far as ICE needs them, lite and calling. Pure.

RFC 8489 for the messages, RFC 8445 7.3 for what a check carries. A request without a valid
MESSAGE-INTEGRITY is nobody's; whoever knows the password of a session got it by HTTP.
"""

import hashlib
import hmac
import ipaddress
import struct
import zlib
from dataclasses import dataclass

MAGIC_COOKIE = 0x2112A442
HEADER_BYTES = 20
MAX_BYTES = 548
"""A longer request is none (RFC 8489 6.1 for paths of unknown MTU)."""
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
_USERNAME, _MESSAGE_INTEGRITY, _XOR_MAPPED_ADDRESS = 0x0006, 0x0008, 0x0020
_PRIORITY, _USE_CANDIDATE, _FINGERPRINT, _CONTROLLING = 0x0024, 0x0025, 0x8028, 0x802A
_FINGERPRINT_XOR = 0x5354554E
_INTEGRITY_BYTES = 24
_FINGERPRINT_BYTES = 8
_REFLEXIVE_PRIORITY = 110 << 24 | 65535 << 8 | 255
"""What a candidate would have that the peer learns of by a check (RFC 8445 7.1.1)."""
_HEADER = struct.Struct(">HHI12s")
_ATTRIBUTE = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A check of a peer; `local` and `remote` are the two fragments of its user name."""

    transaction: bytes
    local: str
    """Ours: which session it is for."""
    remote: str
    nominates: bool
    """The peer has chosen this pair of addresses."""
    integrity_at: int
    """Where MESSAGE-INTEGRITY begins."""


def parse_request(data: bytes) -> BindingRequest | None:
    """The binding request in a datagram; None if it is none, or one without integrity."""
    if not HEADER_BYTES <= len(data) <= MAX_BYTES:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or cookie != MAGIC_COOKIE or length != len(data) - HEADER_BYTES:
        return None
    username, nominates, position = b"", False, HEADER_BYTES
    while position + 4 <= len(data):
        name, size = _ATTRIBUTE.unpack_from(data, position)
        if position + 4 + size > len(data):
            return None
        if name == _MESSAGE_INTEGRITY:
            if size != _INTEGRITY_BYTES - 4:
                return None
            # What follows is not protected and not looked at (14.5).
            local, _, remote = username.decode(errors="replace").partition(":")
            return BindingRequest(transaction, local, remote, nominates, position)
        if name == _USERNAME:
            username = data[position + 4 : position + 4 + size]
        elif name == _USE_CANDIDATE:
            nominates = True
        position += 4 + size + (-size % 4)
    return None


def is_authentic(data: bytes, request: BindingRequest, password: str) -> bool:
    """Whether its MESSAGE-INTEGRITY was made with the password."""
    return _is_sealed(data, request.integrity_at, password)


def _is_sealed(data: bytes, at: int, password: str) -> bool:
    # The length counts up to the end of the attribute (14.5).
    covered = data[:2] + struct.pack(">H", at + _INTEGRITY_BYTES - HEADER_BYTES) + data[4:at]
    return hmac.compare_digest(_digest(password, covered), data[at + 4 : at + _INTEGRITY_BYTES])


def write_success(transaction: bytes, host: str, port: int, password: str) -> bytes:
    """The answer to a check that came from `host` and `port`."""
    mapped = _mapped_address(transaction, host, port)
    attribute = _ATTRIBUTE.pack(_XOR_MAPPED_ADDRESS, len(mapped)) + mapped
    return _sealed(BINDING_SUCCESS, transaction, attribute, password)


def write_request(
    transaction: bytes, username: str, password: str, *, nominates: bool, tie_breaker: int = 0
) -> bytes:
    """A check, as the controlling agent sends it (RFC 8445 7.1); `nominates` its pair."""
    name = username.encode()
    body = _ATTRIBUTE.pack(_USERNAME, len(name)) + name + b"\0" * (-len(name) % 4)
    body += _ATTRIBUTE.pack(_PRIORITY, 4) + _REFLEXIVE_PRIORITY.to_bytes(4)
    body += _ATTRIBUTE.pack(_CONTROLLING, 8) + tie_breaker.to_bytes(8)
    if nominates:
        body += _ATTRIBUTE.pack(_USE_CANDIDATE, 0)
    return _sealed(BINDING_REQUEST, transaction, body, password)


def parse_success(data: bytes, password: str) -> bytes | None:
    """The transaction of an answer to a check of ours; None if it is none, or of somebody else."""
    if not HEADER_BYTES <= len(data) <= MAX_BYTES:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != BINDING_SUCCESS or cookie != MAGIC_COOKIE or length != len(data) - HEADER_BYTES:
        return None
    position = HEADER_BYTES
    while position + 4 <= len(data):
        name, size = _ATTRIBUTE.unpack_from(data, position)
        if name == _MESSAGE_INTEGRITY:
            whole = size == _INTEGRITY_BYTES - 4 and position + _INTEGRITY_BYTES <= len(data)
            return transaction if whole and _is_sealed(data, position, password) else None
        position += 4 + size + (-size % 4)
    return None


def _sealed(kind: int, transaction: bytes, body: bytes, password: str) -> bytes:
    """A message with MESSAGE-INTEGRITY and FINGERPRINT behind its attributes."""
    length = len(body) + _INTEGRITY_BYTES
    covered = _HEADER.pack(kind, length, MAGIC_COOKIE, transaction) + body
    body += _ATTRIBUTE.pack(_MESSAGE_INTEGRITY, 20) + _digest(password, covered)
    length = len(body) + _FINGERPRINT_BYTES
    message = _HEADER.pack(kind, length, MAGIC_COOKIE, transaction) + body
    fingerprint = zlib.crc32(message) ^ _FINGERPRINT_XOR
    return message + _ATTRIBUTE.pack(_FINGERPRINT, 4) + fingerprint.to_bytes(4, "big")


def _digest(password: str, data: bytes) -> bytes:
    return hmac.digest(password.encode(), data, hashlib.sha1)


def _mapped_address(transaction: bytes, host: str, port: int) -> bytes:
    address = ipaddress.ip_address(host)
    mask = MAGIC_COOKIE.to_bytes(4, "big") + transaction
    hidden = bytes(a ^ b for a, b in zip(address.packed, mask, strict=False))
    family = 1 if address.version == 4 else 2
    return struct.pack(">BBH", 0, family, port ^ MAGIC_COOKIE >> 16) + hidden
