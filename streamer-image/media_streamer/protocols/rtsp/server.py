"""Listening for RTSP on a bound socket."""

import asyncio
import socket
import ssl

from media_streamer.egress.context import Egress
from media_streamer.egress.tcp import serve_connections
from media_streamer.protocols.rtsp.connection import TIMES, RtspConnection, RtspTimes
from media_streamer.protocols.rtsp.tunnel import Tunnels


async def serve(
    egress: Egress,
    sock: socket.socket,
    tls: ssl.SSLContext | None = None,
    times: RtspTimes = TIMES,
) -> asyncio.Server:
    """Serve RTSP, with `tls` RTSPS, on a bound socket."""
    tunnels: Tunnels[RtspConnection] = Tunnels()
    return await serve_connections(
        "rtsp", lambda on_close: RtspConnection(egress, tunnels, times, on_close), sock, tls
    )
