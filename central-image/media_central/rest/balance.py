"""`/lb/BALANCER/STREAM/REST`: sends a player or a publisher to a streamer that has the stream.

One address for viewers, whichever streamer runs the stream today. A stream can be played from the
streamer that captures it and from every restreamer; the one that sends least now is chosen, and a
publisher goes to the one that captures. Whoever may watch is decided there, so the redirect needs
no credentials, and the query string (with its token) is handed on.

Balancers have no settings of their own: any name means all streamers.
"""

from urllib.parse import quote

from aiohttp import web
from media_rest.errors import ApiError, not_found
from media_rest.route import Route

from media_central.rest.context import Context, context, viewer
from media_central.store.port import Kind, Record
from media_central.streamers.link import StreamerLink
from media_central.views import public_url

PREFIX = "/lb/"
RETRY_AFTER_SECONDS = 2


async def redirect(request: web.Request) -> web.StreamResponse:
    """302 to the streamer; 307 for a publisher, who must repeat the POST there."""
    ctx, name = context(request), request.match_info["name"]
    record = ctx.store.get(Kind.STREAM, name)
    if record is None or record.config.get("disabled"):
        raise not_found("stream", name)
    publishes = request.method == "POST"
    link = _least_loaded(_candidates(ctx, record, publishes))
    if link is None:
        raise ApiError(
            503,
            "stream_not_placed",
            f"no streamer that is online runs {name} now",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    # Of the raw path, because the rest may hold escapes that must stay.
    rest = request.rel_url.raw_path.partition(PREFIX)[2].split("/", 2)[2]
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    target = f"{public_url(link, viewer(request))}/{quote(name)}/{rest}{query}"
    return web.Response(status=307 if publishes else 302, headers={"Location": target})


def _candidates(ctx: Context, record: Record, publishes: bool) -> list[StreamerLink]:
    ingest = (record.layout or {}).get("ingest")
    if not ingest:
        return []
    return [
        link
        for link in ctx.fleet.links()
        if link.online
        and (link.hostname == ingest or (not publishes and _plays_copy(link, record)))
    ]


def _plays_copy(link: StreamerLink, record: Record) -> bool:
    """A restreamer of the same namespace, or one that keeps a copy of the archive."""
    if link.hostname in ((record.layout or {}).get("dvr_backups") or ()):
        return True
    same = link.config.get("namespace") == record.config.get("namespace")
    return same and bool(link.config.get("is_restreamer"))


def _least_loaded(links: list[StreamerLink]) -> StreamerLink | None:
    return min(links, key=lambda link: (_output_kbit(link), link.hostname), default=None)


def _output_kbit(link: StreamerLink) -> int:
    value = link.observed.stats.get("output_kbit") if link.observed is not None else None
    return value if isinstance(value, int) else 0


_PATH = PREFIX + "{balancer}/{name}/{rest}"
ROUTES = (
    Route(
        "GET", _PATH, redirect, "Send a player to a streamer", need="open", redirect=302,
        operation="streaming_lb_playback",
    ),
    Route(
        "POST", _PATH, redirect, "Send a publisher to a streamer", need="open", redirect=307,
        operation="streaming_lb_publish",
    ),
)  # fmt: skip
