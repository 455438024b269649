"""The HTTP service of an egress worker: one function from request to answer.

aiohttp's low-level server is used without its router and middlewares: they cost more than the rest
of a playlist request. Every refusal and every mistake of a client ends here as a short answer that
says what is wrong.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http import routes
from media_streamer.egress.http.proxy import ApiProxy, is_api_path
from media_streamer.egress.http.request import PREFLIGHT, MediaRequest, answer, peer_ip, refuse
from media_streamer.egress.http.server import http_server
from media_streamer.egress.http.static import find_static, send_static
from media_streamer.egress.hub import Hub
from media_streamer.egress.info import info
from media_streamer.forwarded import NOBODY, TrustedProxies
from media_streamer.protocols.flv import play as flv_play
from media_streamer.protocols.hls.handlers import HlsHandlers
from media_streamer.protocols.hls.sessions import HlsSessions
from media_streamer.protocols.player.page import player_page
from media_streamer.protocols.ts import play as ts_play
from media_streamer.protocols.ts import publish as ts_publish

log = logging.getLogger(__name__)
access_log = logging.getLogger("media_streamer.access")

CLIENT_CLOSED_REQUEST = 499  # what nginx writes for it; never sent
PICTURE_CACHE = "public, max-age=1"

Handler = Callable[[MediaRequest], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class HttpSettings:
    """What the supervisor's settings say about HTTP."""

    token_parameter: str = "token"
    log_requests: bool = False
    proxies: TrustedProxies = NOBODY


class HttpApp:
    """Handlers of all public HTTP ports."""

    def __init__(self, hub: Hub, proxy: ApiProxy, settings: HttpSettings) -> None:
        self._hub = hub
        self._proxy = proxy
        self.settings = settings
        self.hls_sessions = HlsSessions(hub)
        hls = HlsHandlers(hub, self.hls_sessions)
        self._players: dict[routes.Kind, Handler] = {
            "hls_master": hls.master,
            "hls_media": hls.media,
            "hls_segment": hls.segment,
            "hls_init": hls.init,
            "hls_part": hls.part,
            "ts": lambda request: ts_play.play(hub, request),
            "flv": lambda request: flv_play.play(hub, request),
            "preview": self._preview,
            "player": lambda request: player_page(hub, request),
            "info": lambda request: info(hub, request),
        }

    def server(self, *, api: bool) -> web.Server:
        """A protocol factory for a listener; `api`: the supervisor is reachable through it."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(request, api)

        return http_server(handle)

    async def _handle(self, request: web.BaseRequest, api: bool) -> web.StreamResponse:
        ip = self.settings.proxies.client(peer_ip(request), request.headers)
        try:
            response = await self._answer(request, ip, api)
        except AccessDenied as denied:
            response = refuse(denied)
        except routes.BadPath as error:
            response = refuse(AccessDenied(400, "bad_request", f"Bad request: {error}"))
        except ConnectionResetError:
            # Nobody reads the answer; aiohttp would log a traceback of what is a client's right.
            return web.Response(status=CLIENT_CLOSED_REQUEST)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            response = refuse(AccessDenied(500, "internal", "Internal error; see the log"))
        if self.settings.log_requests:
            access_log.info("%s %s %s %s", ip, request.method, request.path, response.status)
        return response

    async def _answer(self, request: web.BaseRequest, ip: str, api: bool) -> web.StreamResponse:
        raw_path, _, raw_query = request.raw_path.partition("?")
        if raw_path == "/" or raw_path == "/ui":
            path = raw_path[1:]
        elif is_api_path(raw_path) and not raw_path.startswith("/ui/static/"):
            path = ""
        else:
            path = routes.decode_path(raw_path.removesuffix("/"))
        if (file := find_static(path)) is not None:
            _allow(request, "GET", "HEAD")
            return send_static(file)
        if api and is_api_path(raw_path):
            return await self._proxy.forward(request, ip)
        route = routes.find_route(path)
        if route is None:
            raise AccessDenied(404, "not_found", "There is nothing here")
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=PREFLIGHT)
        return await self._media(request, route, raw_query, ip)

    async def _media(
        self, request: web.BaseRequest, route: routes.Route, raw_query: str, ip: str
    ) -> web.StreamResponse:
        media = MediaRequest(
            http=request,
            route=route,
            query=routes.parse_query(raw_query),
            ip=ip,
            token_parameter=self.settings.token_parameter,
        )
        if route.kind == "ts" and request.method in ("POST", "PUT"):
            return await ts_publish.publish(self._hub, media)
        _allow(request, "GET", "HEAD")
        return await self._players[route.kind](media)

    async def _preview(self, request: MediaRequest) -> web.StreamResponse:
        access = await self._hub.access(request.access_request("jpeg"))
        session = self._hub.sessions.open(access)
        try:
            picture = await self._hub.preview(access)
            session.bytes += len(picture)
            return answer(picture, "image/jpeg", cache=PICTURE_CACHE)
        finally:
            self._hub.sessions.leave(session, "picture sent")


def _allow(request: web.BaseRequest, *methods: str) -> None:
    if request.method not in methods:
        title = f"{request.method} is not possible here, only {', '.join(methods)}"
        raise AccessDenied(405, "method_not_allowed", title)
