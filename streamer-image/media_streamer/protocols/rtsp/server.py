"""Listening for RTSP on a bound socket."""

import socket
import ssl

from media_process.door import DoorServer

from media_streamer.egress.context import Egress
from media_streamer.protocols.rtsp.connection import TIMES, RtspConnection, RtspTimes
from media_streamer.protocols.rtsp.tunnel import Tunnels


class RtspServer:
    """One port of this worker."""

    def __init__(self, server: DoorServer, tunnels: Tunnels) -> None:
        self._server = server
        self._tunnels = tunnels

    def close(self) -> None:
        """Take no new clients; those that are there stay."""
        self._server.close()
        self._tunnels.close()


async def serve(
    egress: Egress,
    sock: socket.socket,
    tls: ssl.SSLContext | None = None,
    times: RtspTimes = TIMES,
) -> RtspServer:
    """Serve RTSP, with `tls` RTSPS, on a bound socket."""
    tunnels = Tunnels(egress.hub.runtime, sock.getsockname()[1], egress.worker)
    await tunnels.listen()
    server = egress.door.serve(lambda: RtspConnection(egress, tunnels, times), sock, tls)
    return RtspServer(server, tunnels)
