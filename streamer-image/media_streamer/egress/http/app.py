"""The HTTP service of an egress worker: one function from request to answer. Knows no protocol.

aiohttp's low-level server is used without its router and middlewares: they cost more than the rest
of a playlist request. Every refusal and every mistake of a client ends here as a short answer that
says what is wrong.
"""

import logging
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import web
from aiohttp.http import RawRequestMessage
from media_web.documentation import find_page

from media_streamer.egress.access import AccessDenied, AtNeighbour, PassOn
from media_streamer.egress.context import Egress
from media_streamer.egress.http.connection import Asker, Call
from media_streamer.egress.http.disk_files import DiskResponse
from media_streamer.egress.http.gathered import QuickResponse
from media_streamer.egress.http.mount import mounted_routes
from media_streamer.egress.http.prepared import Prepared, Ready
from media_streamer.egress.http.proxy import ApiProxy, is_api_path
from media_streamer.egress.http.recent import Recent
from media_streamer.egress.http.request import (
    IP,
    MediaRequest,
    peer_ip,
    plain_ip,
    preflight,
    refuse,
)
from media_streamer.egress.http.routes import (
    READS,
    BadPath,
    Found,
    Handler,
    Router,
    decode_path,
    not_found,
    parse_query,
    wire_text,
)
from media_streamer.egress.http.server import http_server
from media_streamer.egress.http.static import send_page, static_answer
from media_streamer.forwarded import CLIENT

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499  # what nginx writes for it; never sent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
"""Those of the API, besides what the protocols take. Others are not passed on: behind CONNECT two
parsers do not agree where a message ends."""


MAX_KNOWN = 2048
MAX_KNOWN_CHARACTERS = 512
_LEARNT = (QuickResponse, Prepared, DiskResponse)
"""Answers that are given again by the bytes of a request alone."""


class _Known(NamedTuple):
    """What a request target means."""

    found: Found
    query: Mapping[str, str]


class HttpApp:
    """Handlers of all public HTTP ports."""

    def __init__(self, egress: Egress, proxy: ApiProxy) -> None:
        self._egress = egress
        self._proxy = proxy
        self._router = Router(mounted_routes(egress))
        self._methods = METHODS | self._router.methods
        self._known: Recent[str, _Known] = Recent(MAX_KNOWN)
        """What request targets mean, those of late."""

    def server(self, *, api: bool, neighbour: bool = False) -> web.Server:
        """A protocol factory for a listener; `api`: the supervisor is reachable through it.

        `neighbour`: another worker hands requests on, and says whose they are.
        """

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if neighbour:
                return await self._handle(request, api, request.headers.get(CLIENT, ""))
            headers = request.headers
            return await self._handle(
                request, api, self._egress.proxies.client(peer_ip(request), headers)
            )

        quick = None if neighbour else self._egress.quick.find
        pass_on = self._pass_on if api and not neighbour else None
        return http_server(handle, self._egress.access_log, quick, pass_on)

    def _pass_on(self, request: RawRequestMessage, client: Asker) -> Call | None:
        """Ask the API without a handler."""
        if client.transport is None:
            return None
        peer = plain_ip(client.transport.get_extra_info("peername"))
        ip = self._egress.proxies.client(peer, request.headers)
        return self._proxy.calls.begin(request, client, ip=ip, peer=peer)

    async def _handle(self, request: web.BaseRequest, api: bool, ip: str) -> web.StreamResponse:
        request[IP] = ip
        try:
            response = await self._answer(request, ip, api)
        except AccessDenied as denied:
            response = refuse(denied)
            if denied.status == 302 and request.method not in READS:
                response.set_status(307)  # a publisher must send it all there, not only ask
        except BadPath as error:
            response = refuse(AccessDenied(400, "bad_request", f"Bad request: {error}"))
        except ConnectionResetError:
            # Nobody reads the answer; aiohttp would log a traceback of what is a client's right.
            return web.Response(status=CLIENT_CLOSED_REQUEST)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            response = refuse(AccessDenied(500, "internal", "Internal error; see the log"))
        if request.method not in self._methods or "Upgrade" in request.headers:
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest, ip: str, api: bool) -> web.StreamResponse:
        _allow(request, *self._methods)
        target = request.raw_path
        known = self._known.get(target)
        if known is None:
            raw_path, _, raw_query = wire_text(target).partition("?")
            if raw_path == "/" or raw_path == "/ui":
                path = raw_path[1:]
            elif is_api_path(raw_path) and not raw_path.startswith("/ui/static/"):
                path = ""
            else:
                path = decode_path(raw_path.removesuffix("/"))
            if (file := static_answer(path, request.headers)) is not None:
                _allow(request, "GET", "HEAD")
                return file
            if api and (page := find_page(path)) is not None:
                _allow(request, "GET", "HEAD")
                return send_page(request, page)
            if is_api_path(raw_path) and api:
                return await self._proxy.forward(request, ip)
            found = self._router.find(path)
            if found is None:
                raise AccessDenied(404, "not_found", not_found(path))
            known = self._remember(target, _Known(found, parse_query(raw_query)))
        if request.method == "OPTIONS":
            return preflight(sorted(self._router.methods))
        found = known.found
        handlers = found.endpoint.handlers
        _allow(request, *handlers)
        media = MediaRequest(
            http=request,
            name=found.name,
            values=found.values,
            query=known.query,
            ip=ip,
            token_parameter=self._egress.token_parameter,
        )
        counted = found.endpoint.counted_as.get(request.method)
        handled = self._handled(handlers[request.method], media)
        if counted is None:
            return await handled
        response = await self._counted(found.name, counted, handled)
        if media.more is not None and response.status < HTTPStatus.BAD_REQUEST:
            is_file = found.endpoint.content == "file"
            _add(response, media.more.segments if is_file else media.more.lists)
        elif isinstance(response, _LEARNT):
            self._egress.quick.learn(media, response, counted)
        return response

    async def _handled(self, handler: Handler, media: MediaRequest) -> web.StreamResponse:
        try:
            return await handler(media)
        except PassOn as passing:
            if self._egress.passages is None:
                raise AccessDenied(404, "no_archive", "The archive is elsewhere") from None
            return await self._egress.passages.answer(media, passing)
        except AtNeighbour as there:
            if self._egress.neighbours is None:
                raise AccessDenied(503, "no_worker", "There is no such worker") from None
            return await self._egress.neighbours.forward(there.worker, media.http, media.ip)

    async def _counted(
        self, stream: str, protocol: str, handled: Awaitable[web.StreamResponse]
    ) -> web.StreamResponse:
        """The answer to a viewer, which is one of the figures of the stream."""
        answers = self._egress.answers
        try:
            response = await handled
        except AccessDenied as denied:
            answers.add(stream, protocol, denied.status)
            raise
        status = response.status  # the response itself in there would be a cycle, for each request
        answers.add(stream, protocol, status)
        if isinstance(response, Prepared):
            response.on_again = lambda: answers.add(stream, protocol, status)
        return response

    def _remember(self, target: str, known: _Known) -> _Known:
        """Players ask the same again and again; reading a path takes a while."""
        if len(target) <= MAX_KNOWN_CHARACTERS:
            self._known.put(target, known)
        return known


def _add(response: web.StreamResponse, headers: Mapping[str, str]) -> None:
    """Headers in place of those of the same names."""
    if isinstance(response, Ready):
        response.more = headers
    else:
        response.headers.update(headers)


def _allow(request: web.BaseRequest, *methods: str) -> None:
    if request.method not in methods:
        title = f"{request.method[:32]} is not possible here, only {', '.join(sorted(methods))}"
        raise AccessDenied(405, "method_not_allowed", title)
