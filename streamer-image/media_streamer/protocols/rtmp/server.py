"""Listening for RTMP on a bound socket."""

import socket
import ssl

from media_process.door import DoorServer

from media_streamer.egress.context import Egress
from media_streamer.protocols.rtmp.connection import TIMES, RtmpConnection, RtmpTimes


def connection(egress: Egress) -> RtmpConnection:
    """One client, of a port that HTTP has too."""
    return RtmpConnection(egress, TIMES)


async def serve(
    egress: Egress,
    sock: socket.socket,
    tls: ssl.SSLContext | None = None,
    times: RtmpTimes = TIMES,
) -> DoorServer:
    """Serve RTMP, with `tls` RTMPS, on a bound socket."""
    return egress.door.serve(lambda: RtmpConnection(egress, times), sock, tls)
