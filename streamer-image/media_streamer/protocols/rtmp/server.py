"""Listening for RTMP on a bound socket."""

import asyncio
import socket
import ssl

from media_streamer.egress.context import Egress
from media_streamer.egress.tcp import serve_connections
from media_streamer.protocols.rtmp.connection import TIMES, RtmpConnection, RtmpTimes


async def serve(
    egress: Egress,
    sock: socket.socket,
    tls: ssl.SSLContext | None = None,
    times: RtmpTimes = TIMES,
) -> asyncio.Server:
    """Serve RTMP, with `tls` RTMPS, on a bound socket."""
    return await serve_connections(
        "rtmp", lambda on_close: RtmpConnection(egress, times, on_close), sock, tls
    )
