"""The public ports: what the configuration asks for, and whether they can be had.

The egress workers bind every TCP port with SO_REUSEPORT and share it. That flag would also share it
in silence with another streamer of the same user, so a new port is first bound here without it.
UDP ports belong to one worker each: the N-th has the configured port plus N.
"""

import contextlib
import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from media_api import protocols
from media_api.server import ListenerConfig, Listeners, TlsListenerConfig

from media_streamer import tls
from media_streamer.config.ports import opened
from media_streamer.config.tls import TlsFiles
from media_streamer.wire.control import ListenerSpec


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One address to listen at."""

    protocol: str
    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.protocol} {host}:{self.port}" if host else f"{self.protocol} {self.port}"


def listener_specs(listeners: Listeners | None, directory: Path) -> list[ListenerSpec]:
    """What the workers shall listen at; relative paths of certificates start at `directory`.

    The files of certificates are read: what was renewed is another listener.
    """
    return [
        _spec(one.name, one.listener, directory, one.guest) for one in opened(listeners, directory)
    ]


def _spec(protocol: str, item: ListenerConfig, directory: Path, guest: str) -> ListenerSpec:
    certificate = key = chain = ""
    versions: list[str] = []
    if isinstance(item, TlsListenerConfig):
        files = TlsFiles.of(item, directory)
        certificate, key = tls.pem_text(files.certificate), tls.pem_text(files.key)
        beside = tls.chain_beside(files.certificate)
        chain = tls.pem_text(beside) if beside.is_file() else ""
        versions = list(item.ssl_protocols or ())
    api = bool(getattr(item, "api", True))
    address = item.address or ""
    return ListenerSpec(
        protocol, address, item.port, api, certificate, key, chain, versions, guest=guest
    )


def port_of(spec: ListenerSpec) -> Port:
    return Port(spec.protocol, spec.address, spec.port)


def ports_of(spec: ListenerSpec) -> list[Port]:
    """The port, as each of those who have it calls it."""
    names = (spec.protocol, spec.guest) if spec.guest else (spec.protocol,)
    return [Port(name, spec.address, spec.port) for name in names]


def probe(ports: Iterable[Port], workers: int = 1) -> dict[Port, str]:
    """Why ports cannot be had, for those that cannot; the message names the way out.

    `workers`: how many there are, each of which may need UDP ports of its own.
    """
    problems = {}
    seen: dict[tuple[socket.SocketKind, str, int], Port] = {}
    for port in sorted(ports):
        listener = protocols.listeners()[port.protocol][1]
        kind = socket.SOCK_DGRAM if listener.socket == "datagram" else socket.SOCK_STREAM
        count = workers if kind == socket.SOCK_DGRAM and listener.per_worker else 1
        for number in range(port.port, port.port + count):
            twin = seen.setdefault((kind, port.address, number), port)
            if twin is not port:
                problems[port] = f"{port}: the same port is asked for by {twin}: give them two"
                break
            if problem := _probe(port.address, number, kind):
                which = f" (port {number} of worker {number - port.port})" if count > 1 else ""
                problems[port] = f"{port}{which}: {problem}"
                break
    return problems


def _probe(address: str, port: int, kind: socket.SocketKind) -> str:
    try:
        infos = socket.getaddrinfo(address or None, port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        return f"address {address!r} is not known here ({error.strerror or error})"
    # IPv6 first: a dual-stack socket on :: would find the IPv4 probe still open.
    for family, _, number, _, place in infos:
        with contextlib.closing(socket.socket(family, kind, number)) as probing:
            if kind == socket.SOCK_STREAM:
                probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probing.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probing.bind(place)
                if kind == socket.SOCK_STREAM:
                    probing.listen(1)
            except OSError as error:
                if error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL} and len(infos) > 1:
                    continue
                return _words(error)
    return ""


def _words(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use by another program: stop that or choose another port"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "no permission for this port: ports below 1024 need CAP_NET_BIND_SERVICE or root"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have the address"
    return error.strerror or str(error)
