"""Listening for RTSP on a bound socket."""

import asyncio
import logging
import socket
import ssl

from media_streamer.egress.context import Egress
from media_streamer.protocols.rtsp.connection import RtspConnection
from media_streamer.protocols.rtsp.tunnel import Tunnels

log = logging.getLogger(__name__)

BACKLOG = 1024
TLS_HANDSHAKE_SECONDS = 10.0
TLS_SHUTDOWN_SECONDS = 3.0
MAX_CONNECTIONS = 20_000


async def serve(
    egress: Egress, sock: socket.socket, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Serve RTSP, with `tls` RTSPS, on a bound socket.

    Closing the server takes no new connections and lets those that are open go on.
    """
    connections: set[RtspConnection] = set()
    tunnels: Tunnels[RtspConnection] = Tunnels()

    def accept() -> asyncio.Protocol:
        if len(connections) >= MAX_CONNECTIONS:
            log.warning("rtsp: more than %d connections, one is refused", MAX_CONNECTIONS)
            return _Refusal()
        connection = RtspConnection(egress, tunnels, connections.discard)
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
