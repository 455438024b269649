"""Ends HTTP connections that stand still: an answer that nobody reads, a body that does not come.

aiohttp bounds neither: a handler waits for as long as the connection lasts, with what it holds, and
a peer that answers the kernel's probes lasts for ever. Here all connections of a server are looked
at now and then; one where nothing moved from one look to the next is cut. Slow ones stay, and those
that wait for the server. Those without a request are bounded by `keepalive_timeout`.
"""

import asyncio

from aiohttp import web

LOOK_SECONDS = 30.0

_Standing = tuple[int, int]
"""Bytes that wait for the peer, and bytes of the body that came."""


class Patience:
    """`run` it beside the server."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._before: dict[web.RequestHandler, _Standing] = {}
        self.cut_off = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Cut those that stand where they stood when this was called before."""
        found: dict[web.RequestHandler, _Standing] = {}
        for connection in self._server.connections:
            standing = _standing(connection)
            if standing is None:
                continue
            if self._before.get(connection) == standing and connection.transport is not None:
                self.cut_off += 1
                connection.transport.abort()
            else:
                found[connection] = standing
        self._before = found


def _standing(connection: web.RequestHandler) -> _Standing | None:
    """None where nobody waits for the peer."""
    transport = connection.transport
    if not isinstance(transport, asyncio.WriteTransport):
        return None
    unread, request = transport.get_write_buffer_size(), connection._current_request
    body = request.content if request is not None else None
    if not unread and (body is None or body.is_eof()):
        return None
    return unread, body.total_bytes if body is not None else 0
