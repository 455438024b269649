"""Listening for RTSP on a bound socket."""

import asyncio
import socket
import ssl

from media_streamer.egress.context import Egress
from media_streamer.egress.tcp import serve_connections
from media_streamer.protocols.rtsp.connection import RtspConnection
from media_streamer.protocols.rtsp.tunnel import Tunnels


async def serve(
    egress: Egress, sock: socket.socket, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Serve RTSP, with `tls` RTSPS, on a bound socket."""
    tunnels: Tunnels[RtspConnection] = Tunnels()
    return await serve_connections(
        "rtsp", lambda on_close: RtspConnection(egress, tunnels, on_close), sock, tls
    )
