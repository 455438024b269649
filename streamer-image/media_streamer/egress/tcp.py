"""Connections of protocols that speak on TCP ports of their own, bounded in number."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

BACKLOG = 1024
TLS_HANDSHAKE_SECONDS = 10.0
TLS_SHUTDOWN_SECONDS = 3.0
MAX_CONNECTIONS = 20_000
"""Of one listener in one worker: memory is bounded even if nobody ever finishes a handshake."""

Make = Callable[[Callable[[Any], None]], asyncio.Protocol]
"""Makes the protocol of a new connection, which calls the argument with itself when it ends."""


async def serve_connections(
    name: str, make: Make, sock: socket.socket, tls: ssl.SSLContext | None
) -> asyncio.Server:
    """Serve a bound socket, with `tls` over TLS; `name` is for the log.

    Closing the server takes no new connections and lets those that are open go on.
    """
    connections: set[Any] = set()

    def accept() -> asyncio.Protocol:
        if len(connections) >= MAX_CONNECTIONS:
            log.warning("%s: more than %d connections, one is refused", name, MAX_CONNECTIONS)
            return _Refusal()
        connection = make(connections.discard)
        connections.add(connection)
        return connection

    return await asyncio.get_running_loop().create_server(
        accept,
        sock=sock,
        ssl=tls,
        backlog=BACKLOG,
        ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS if tls else None,
        ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS if tls else None,
    )


class _Refusal(asyncio.Protocol):
    """Closes at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
