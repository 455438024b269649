"""The port that the configuration names, `webrtc PORT;`: the N-th worker has PORT plus N.

The socket is of UDP; TCP of the same number is opened beside it, for peers without UDP."""

import socket
import ssl

from media_streamer.egress.context import Egress
from media_streamer.protocols.webrtc.engine import WebRtcEngine, engine_of
from media_streamer.protocols.webrtc.port import WebRtcPort


async def serve(
    egress: Egress, sock: socket.socket, tls: ssl.SSLContext | None = None
) -> "WebRtcServer":
    """Serve sessions on a bound UDP socket. DTLS is part of every session: there is no `tls`."""
    engine = engine_of(egress)
    return WebRtcServer(engine, engine.use(sock))


class WebRtcServer:
    """An open port; `close` takes no new sessions, those that are there go on."""

    def __init__(self, engine: WebRtcEngine, port: WebRtcPort) -> None:
        self._engine = engine
        self._port = port

    def close(self) -> None:
        self._engine.leave(self._port)
