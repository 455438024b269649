"""Connections that pushes and sources open: only to addresses that `Reach` allows, within a time.

The certificate of a TLS peer is not checked, as with sources: encoders and decoders in the field
show certificates of their own.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

P = TypeVar("P", bound=asyncio.Protocol)
TLS_SHUTDOWN_SECONDS = 3.0

Place = tuple[socket.AddressFamily, socket.SocketKind, int, tuple[str, int]]


class Checks(Protocol):
    """`Reach`, or what has more rules."""

    def check(self, host: str) -> None:
        """Raises AddressRefusedError."""


class NoAddressError(OSError):
    """The name has no address."""


async def addresses(host: str, port: int, kind: socket.SocketKind, reach: Checks) -> list[Place]:
    """What a name stands for now. Raises NoAddressError and AddressRefusedError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    except (OSError, UnicodeError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise NoAddressError(f"{host} is not found: {words}") from None
    for *_, place in found:
        reach.check(str(place[0]))
    return [(family, kind, number, place) for family, kind, number, _, place in found]  # type: ignore[misc]


async def dial(
    host: str, port: int, make: Callable[[], P], reach: Checks, *, tls: bool
) -> tuple[asyncio.Transport, P]:
    """A TCP connection to the first address that answers. Raises OSError (SSLError with TLS)."""
    loop = asyncio.get_running_loop()
    failure: OSError = NoAddressError(f"{host} has no address")
    for family, kind, number, place in await addresses(host, port, socket.SOCK_STREAM, reach):
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, place)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
            continue
        except BaseException:
            sock.close()
            raise
        return await loop.create_connection(
            make,
            sock=sock,
            ssl=_context() if tls else None,
            server_hostname=host if tls else None,
            ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS if tls else None,
        )
    raise failure


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
