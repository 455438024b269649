"""Listening for RTSP on a bound socket."""

import socket
import ssl

from media_process.door import DoorServer

from media_streamer.egress.context import Egress
from media_streamer.protocols.rtsp.connection import TIMES, RtspConnection, RtspTimes
from media_streamer.protocols.rtsp.tunnel import Tunnels


async def serve(
    egress: Egress,
    sock: socket.socket,
    tls: ssl.SSLContext | None = None,
    times: RtspTimes = TIMES,
) -> DoorServer:
    """Serve RTSP, with `tls` RTSPS, on a bound socket."""
    tunnels: Tunnels[RtspConnection] = Tunnels()
    return egress.door.serve(lambda: RtspConnection(egress, tunnels, times), sock, tls)
