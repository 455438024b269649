"""Public ports of an egress worker, kept equal to what the supervisor asks for.

Every worker listens on the same TCP ports (SO_REUSEPORT) and the kernel spreads connections over
them; a UDP port belongs to one worker (`Listener.per_worker` in the table of protocols).
A port that stays is never closed by a change of the others; a renewed certificate takes effect for
new connections without that either.
"""

import contextlib
import errno
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from media_api import protocols
from media_api.protocols import Listener

from media_streamer import tls
from media_streamer.egress.http.http2.connection import PROTOCOLS as ALPN_PROTOCOLS
from media_streamer.wire.control import ListenerSpec

log = logging.getLogger(__name__)

BACKLOG = 1024
DEAD_PEER_MS = 30_000
"""TCP_USER_TIMEOUT: data not acknowledged for so long closes the connection (half-open peers)."""
KEEP_ALIVE_IDLE_SECONDS = 30
KEEP_ALIVE_INTERVAL_SECONDS = 10
KEEP_ALIVE_PROBES = 3
DATAGRAM_BUFFER_BYTES = 4 * 1024 * 1024
"""Asked of the kernel, which may give less: packets of many peers while this process is busy."""
_TLS_VERSIONS = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}

_BEFORE_HTTP2 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
"""RFC 9113 section 9.2 asks for a later one."""


def listener_of(spec: ListenerSpec) -> Listener:
    """What the table of protocols says of it."""
    return protocols.listeners()[spec.protocol][1]


def _family(address: str) -> socket.AddressFamily:
    if address:
        return socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET


def bind_datagram(address: str, port: int) -> socket.socket:
    """A UDP socket that nobody shares; raises OSError."""
    family = _family(address)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if address else 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAM_BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DATAGRAM_BUFFER_BYTES)
        sock.bind((address, port))
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def bind(address: str, port: int) -> socket.socket:
    """A listening socket that other processes of this server may share; raises OSError.

    Options set here are inherited by every accepted connection (Linux), which costs nothing there.
    """
    family = _family(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        tcp = socket.IPPROTO_TCP
        sock.setsockopt(tcp, socket.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_SECONDS)
        sock.setsockopt(tcp, socket.TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL_SECONDS)
        sock.setsockopt(tcp, socket.TCP_KEEPCNT, KEEP_ALIVE_PROBES)
        sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if address else 0)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def explain(error: Exception, spec: ListenerSpec) -> str:
    """The sentence for a person whose listener does not open."""
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or error
        return f"{spec.title}: the certificate cannot be used: {reason}"
    if isinstance(error, OSError):
        if error.errno == errno.EADDRINUSE:
            return f"{spec.title}: port {spec.port} is in use by another program"
        if error.errno == errno.EACCES:
            return f"{spec.title}: not permitted to open port {spec.port}"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"{spec.title}: this machine has no address {spec.address}"
    return f"{spec.title}: {error}"


def load_certificate(context: ssl.SSLContext, spec: ListenerSpec) -> None:
    """Let new connections use the listener's certificate; raises OSError, SSLError, ValueError."""
    if not spec.certificate or not spec.certificate_key:
        raise ValueError("a certificate and its key are needed")
    with contextlib.ExitStack() as stack:
        certificate, key = _as_file(stack, spec.certificate), _as_file(stack, spec.certificate_key)
        tls.load_certificate(context, certificate, key)
    if spec.certificate_chain:
        context.load_verify_locations(cadata=spec.certificate_chain)


def _as_file(stack: contextlib.ExitStack, text: str) -> Path:
    """PEM text as a file: OpenSSL reads files only. A key never touches the disk this way."""
    if not text.startswith("-----BEGIN"):
        raise ValueError(f"cannot read the certificate file {text}")
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    os.write(descriptor, text.encode())
    return Path(f"/proc/self/fd/{descriptor}")


def tls_context(spec: ListenerSpec) -> ssl.SSLContext:
    """Server side of TLS; raises OSError, SSLError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = [_TLS_VERSIONS[name] for name in spec.ssl_protocols if name in _TLS_VERSIONS]
    context.minimum_version = min(versions, default=ssl.TLSVersion.TLSv1_2)
    if versions:
        context.maximum_version = max(versions)
    if listener_of(spec).socket == "http" and context.maximum_version not in _BEFORE_HTTP2:
        context.set_alpn_protocols(ALPN_PROTOCOLS)
    load_certificate(context, spec)
    return context


def _is_datagram(spec: ListenerSpec) -> bool:
    return listener_of(spec).socket == "datagram"


class Server(Protocol):
    """What serves a port."""

    def close(self) -> None:
        """Take no new peers; those that are there may stay."""


Serve = Callable[[ListenerSpec, socket.socket, ssl.SSLContext | None], Awaitable[Server]]


@dataclass(slots=True)
class _Open:
    spec: ListenerSpec
    server: Server
    tls: ssl.SSLContext | None
    port: int


class Listeners:
    """The open listeners; `serve` starts a protocol on a bound socket.

    `worker` is the number of this worker, from which its UDP ports follow.
    """

    def __init__(self, serve: Serve, worker: int = 0) -> None:
        self._serve = serve
        self._worker = worker
        self._open: dict[tuple[str, str, int], _Open] = {}

    @property
    def places(self) -> list[tuple[str, str, int]]:
        """`ListenerSpec.place` of all that are open."""
        return list(self._open)

    @property
    def own_ports(self) -> dict[str, int]:
        """UDP ports of this worker alone, the first of each listener."""
        found: dict[str, int] = {}
        for one in self._open.values():
            if listener_of(one.spec).socket == "datagram":
                found.setdefault(one.spec.protocol, one.port)
        return found

    def _is_here(self, spec: ListenerSpec) -> bool:
        """Whether this worker is one that opens the port."""
        listener = listener_of(spec)
        return listener.socket != "datagram" or listener.per_worker or self._worker == 0

    def _bind(self, spec: ListenerSpec) -> socket.socket:
        if listener_of(spec).socket != "datagram":
            # With SO_REUSEPORT the new socket can be there before the old one goes.
            return bind(spec.address, spec.port)
        return bind_datagram(spec.address, spec.port + self._worker if spec.port else 0)

    async def apply(self, specs: list[ListenerSpec]) -> list[str]:
        """Open, close and renew as asked; returns what did not work, for people."""
        problems: list[str] = []
        wanted = {spec.place: spec for spec in specs if self._is_here(spec)}
        for place in [place for place in self._open if place not in wanted]:
            await self._close(place)
        # A protocol by UDP may take TCP of its number beside it, if nobody is configured there.
        for place, spec in sorted(wanted.items(), key=lambda one: _is_datagram(one[1])):
            try:
                await self._ensure(place, spec)
            except (OSError, ValueError) as error:
                problems.append(explain(error, spec))
                log.error("%s", problems[-1])
        return problems

    async def close(self) -> None:
        """Close all ports; open connections are their protocols' business."""
        for place in list(self._open):
            await self._close(place)

    async def _ensure(self, place: tuple[str, str, int], spec: ListenerSpec) -> None:
        old = self._open.get(place)
        if old is not None and old.tls is not None and old.spec.ssl_protocols == spec.ssl_protocols:
            load_certificate(old.tls, spec)
        if old is not None and (old.spec.api, old.spec.ssl_protocols, old.spec.guest) == (
            spec.api,
            spec.ssl_protocols,
            spec.guest,
        ):
            old.spec = spec
            return
        context = tls_context(spec) if listener_of(spec).tls else None
        sock = self._bind(spec)
        port = sock.getsockname()[1]
        try:
            server = await self._serve(spec, sock, context)
        except BaseException:
            sock.close()
            raise
        if old is not None:
            await self._close(place)
        self._open[place] = _Open(spec, server, context, port)
        log.info("%s is open", spec.title)

    async def _close(self, place: tuple[str, str, int]) -> None:
        gone = self._open.pop(place)
        gone.server.close()
        log.info("%s is closed", gone.spec.title)
