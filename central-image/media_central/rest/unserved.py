"""Paths that clients of streamers or of Central know and that are not served here.

They answer 501 with words, whatever the method, and nothing is ever made of them: a `PUT` to
`/streams/demo/dvr/locks` is no stream called `demo/dvr/locks`.
"""

from typing import get_args

from aiohttp import web
from media_rest.errors import ApiError
from media_rest.route import Method, Route

_AT_STREAMER = "ask the streamer that runs it"
PATHS = {
    **dict.fromkeys(
        (
            "/streams/{name}/dvr", "/streams/{name}/dvr/{rest}", "/sessions/reauth",
        ),
        f"not served by Central: {_AT_STREAMER}",
    ),
    **dict.fromkeys(
        (
            "/templates", "/templates/{rest}", "/vods", "/vods/{rest}", "/caches", "/caches/{rest}",
            "/event_sinks", "/event_sinks/{rest}", "/logos", "/logos/{rest}", "/http_proxies",
            "/http_proxies/{rest}", "/cluster/peers", "/cluster/peers/{rest}", "/cluster/sources",
            "/cluster/sources/{rest}", "/cluster/balancers", "/cluster/balancers/{rest}",
            "/transponders", "/transponders/{rest}", "/dvb_cards", "/dvb_cards/{rest}", "/iptv",
            "/iptv/{rest}", "/vsaas", "/vision", "/rproxy", "/dvrs/{rest}",
        ),
        "belongs to a streamer's own configuration: ask the streamer",
    ),
}  # fmt: skip


async def refuse(request: web.Request) -> web.StreamResponse:
    """Raises ApiError 501."""
    path = request.match_info.route.resource
    words = PATHS.get(_below_base(path.canonical if path is not None else ""), "not served here")
    raise ApiError(501, "not_implemented", words)


def _below_base(canonical: str) -> str:
    return "/" + canonical.split("/api/v3/", 1)[-1]


ROUTES = tuple(
    Route(method, path, refuse, "Not served", need="view", hidden=True)
    for path in PATHS
    for method in get_args(Method)
)
