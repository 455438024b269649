"""The UDP socket of a source: an address of this machine, or a group that it joins.

A group of one sender (RFC 4607) is asked of the network as such, so others do not even arrive; what
comes to a unicast address from somebody else than the named sender is passed over by its reader.
"""

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass

from media_streamer.media.inputs.base import InputError
from media_streamer.media.inputs.ffmpeg import UDP_SOCKET_BYTES
from media_streamer.outgoing.addresses import AddressRefusedError, reach_of_process

MAX_DATAGRAM_BYTES = 65536
_MCAST_JOIN_SOURCE_GROUP = 46  # linux/in.h
_IP_ADD_SOURCE_MEMBERSHIP = 39


@dataclass(frozen=True, slots=True)
class Place:
    """Where packets come to, and from whom; empty: from anybody, by the routes."""

    host: str
    port: int
    source: str = ""
    interface: str = ""
    """That receives a group: its address (IPv4) or its name."""


def open_port(place: Place, *, else_anywhere: bool = False) -> socket.socket:
    """A bound socket that does not block. Raises InputError.

    `else_anywhere`: an address that this machine does not have (a description may name that of its
    sender) stands for all that it has.
    """
    try:
        reach_of_process().check_host(place.host, place.port)
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM)
        family, address = found[0][0], found[0][4]
        try:
            return _bound(place, family, address)
        except OSError as error:
            if not else_anywhere or error.errno != errno.EADDRNOTAVAIL:
                raise
            host = "::" if family == socket.AF_INET6 else "0.0.0.0"
            return _bound(place, family, (host, place.port))
    except AddressRefusedError as error:
        raise InputError(str(error)) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{place.host}:{place.port} cannot be received: {why}") from None


def _bound(place: Place, family: int, address: tuple[object, ...]) -> socket.socket:
    group = ipaddress.ip_address(str(address[0]).partition("%")[0])
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_SOCKET_BYTES)
        if group.is_multicast:
            # Other receivers of this machine have the same group; a unicast port has one receiver.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if group.is_multicast:
            _join(sock, group, place)
    except BaseException:
        sock.close()
        raise
    return sock


def _join(
    sock: socket.socket, group: ipaddress.IPv4Address | ipaddress.IPv6Address, place: Place
) -> None:
    if group.version == 4:
        local = socket.inet_aton(place.interface or "0.0.0.0")
        if place.source:  # struct ip_mreq_source of ip(7): group, interface, source
            request = group.packed + local + socket.inet_aton(place.source)
            sock.setsockopt(socket.IPPROTO_IP, _IP_ADD_SOURCE_MEMBERSHIP, request)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + local)
        return
    index = socket.if_nametoindex(place.interface) if place.interface else 0
    if not place.source:
        request = group.packed + struct.pack("@I", index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        return
    # struct group_source_req: the interface, then two sockaddr_storage of 128 bytes each.
    source = socket.inet_pton(socket.AF_INET6, place.source)
    request = struct.pack("@I4x", index) + _storage(group.packed) + _storage(source)
    sock.setsockopt(socket.IPPROTO_IPV6, _MCAST_JOIN_SOURCE_GROUP, request)


def _storage(address: bytes) -> bytes:
    return struct.pack("@HHI16sI", socket.AF_INET6, 0, 0, address, 0).ljust(128, b"\0")
