"""The way from a public port to the supervisor's API and UI on a Unix socket.

Bodies are streamed both ways. What is simple needs no task (`api_calls`).

Invariants: the supervisor hears of a request when its head is there, so who must log in first is
told so whether or not he sends a body; an address has a part of the connections only, and nobody
holds one by not reading.
"""

import asyncio
import logging
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from media_process.seldom import Seldom
from yarl import URL

from media_streamer import budgets
from media_streamer.egress.http.access_log import AccessLog
from media_streamer.egress.http.api_calls import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    ApiCalls,
    unavailable,
)
from media_streamer.egress.http.connection import API_PREFIXES
from media_streamer.egress.http.hops import end_to_end, request_headers
from media_streamer.egress.http.places import Places
from media_streamer.egress.http.request import peer_ip

log = logging.getLogger(__name__)

API_PATHS = frozenset({"/", "/ui", "/streamer/api", "/flussonic/api"})
MAX_CONNECTIONS = 256


def is_api_path(path: str) -> bool:
    """Whether a raw path belongs to the supervisor."""
    return path in API_PATHS or path.startswith(API_PREFIXES)


class _Body(aiohttp.payload.AsyncIterablePayload):
    """A body that is passed on as it comes; the head does not wait for the first piece of it."""

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        writer.send_headers()
        await super().write_with_length(writer, content_length)


class ApiProxy:
    """Connections to `api.sock`. Made within the running loop; `close` it.

    `each`: how many an address has under way, 0: as many as it likes. `unread_seconds`: for a piece
    that nobody reads. `requests`: where those without a handler are logged.
    """

    def __init__(
        self,
        api_socket: Path,
        each: int = budgets.API_ADDRESS_REQUESTS,
        unread_seconds: float = budgets.API_UNREAD_SECONDS,
        requests: AccessLog | None = None,
    ) -> None:
        self._unread_seconds = unread_seconds
        # Who comes by another worker holds a connection of the door already, which has its bounds.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(api_socket), limit=MAX_CONNECTIONS if each else 0),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=READ_TIMEOUT_SECONDS
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._places = Places(each or budgets.WORKER_CONNECTIONS)
        self._complaints = Seldom()
        self.calls = ApiCalls(api_socket, self._places, unread_seconds, requests)

    async def forward(self, request: web.BaseRequest, ip: str) -> web.StreamResponse:
        """Answer with what the supervisor answers; raises AccessDenied(503) if it does not.

        `ip`: the client's address.
        """
        try:
            async with (
                self._places.one(ip),
                self._session.request(
                    request.method,
                    # The authority is of no use on a Unix socket; Host goes along as a header.
                    URL(f"http://supervisor{request.raw_path}", encoded=True),
                    headers=request_headers(
                        request.headers, ip=ip, peer=peer_ip(request), secure=request.secure
                    ),
                    data=_Body(request.content.iter_any()) if request.body_exists else None,
                    allow_redirects=False,
                    skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                ) as answer,
            ):
                return await _pass_back(request, answer, self._unread_seconds, self._complaints)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            if (tail := self._complaints.tail("away")) is not None:
                log.warning("API at %s %s: %s%s", request.method, request.path, error, tail)
            raise unavailable() from error

    async def close(self) -> None:
        await self.calls.close()
        await self._session.close()


async def _pass_back(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    unread_seconds: float,
    complaints: Seldom,
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    response.headers.update(end_to_end(answer.headers))
    if answer.status == 401 or not request.content.at_eof():
        # Who must log in first, or sent what nobody reads, gets nothing more on this connection.
        response.force_close()
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            async for data in answer.content.iter_any():
                async with asyncio.timeout(unread_seconds):
                    await response.write(data)
        async with asyncio.timeout(unread_seconds):
            await response.write_eof()
    except (aiohttp.ClientError, TimeoutError) as error:
        # The head is out already: the client must see that the body is cut off.
        if (tail := complaints.tail("broke off", peer_ip(request))) is not None:
            where = (request.method, request.path)
            log.warning("API at %s %s broke off: %s%s", *where, error, tail)
        if request.transport is not None:
            request.transport.abort()
    return response
