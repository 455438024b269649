"""Requests that belong to a session of another egress worker, passed on to it.

All workers share the HTTP ports, and the kernel gives a connection to any of them. What one worker
alone can answer (a WebRTC session lives on its UDP port) goes to that worker's Unix socket, where
the same HTTP service answers as at the public ports, without the API.
"""

from pathlib import Path

from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.files import SEND_TIMEOUT_SECONDS
from media_streamer.egress.http.proxy import ApiProxy
from media_streamer.wire.homes import socket_of


class Neighbours:
    """The egress workers of this server by their numbers."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._proxies: dict[int, ApiProxy] = {}

    def socket_of(self, worker: int) -> Path:
        """Where a worker takes such requests."""
        return socket_of(self._runtime, "egress", str(worker))

    async def forward(self, worker: int, request: web.BaseRequest, ip: str) -> web.StreamResponse:
        """The other worker's answer; raises AccessDenied(404) if there is no such worker."""
        path = self.socket_of(worker)
        if not path.is_socket():
            raise AccessDenied(404, "no_session", "The session is over")
        proxy = self._proxies.get(worker)
        if proxy is None:
            proxy = self._proxies[worker] = ApiProxy(
                path, each=0, unread_seconds=SEND_TIMEOUT_SECONDS
            )
        return await proxy.forward(request, ip)

    async def close(self) -> None:
        for proxy in self._proxies.values():
            await proxy.close()
        self._proxies.clear()
