"""`/lb/BALANCER/STREAM/REST`: sends a player or a publisher to a streamer that has the stream.

One address for viewers, whichever streamer runs the stream today. A stream can be played from the
streamer that captures it, from every restreamer and from those that keep a copy; a balancer says
which of them take whom, and the name `any`, unless one is declared under it, means all. A publisher
goes to the streamer that captures. REST is a path of the stream (`index.m3u8`, `whip`), or the name
of a protocol with ports of its own (`rtmp`, `srt`): then the answer names its URL. Whoever may
watch is decided there, so the redirect needs no credentials, and the query string (with its token)
is handed on.
"""

import asyncio
from urllib.parse import quote

from aiohttp import web
from media_api.balancing import Candidate, choose
from media_api.cluster import BalancerConfig
from media_api.play_urls import play_urls, publish_urls
from media_api.protocols import Protocol, roles
from media_rest.errors import ApiError, not_found
from media_rest.route import Route

from media_central.capacity import capacity_kbit
from media_central.rest.address import address_of
from media_central.rest.context import Context, context, viewer
from media_central.store.port import Kind, Record
from media_central.streamers.link import StreamerLink
from media_central.views import Viewer, denied, public_ports, public_url

PREFIX = "/lb/"
ANY = "any"
RETRY_AFTER_SECONDS = 2
WAKE_SECONDS = 25.0
"""Who asks for a stream that sleeps is kept waiting so long, as players give up after 30 s."""
WAKE_LOOK_SECONDS = 0.25
MAX_WAITING = 1000
"""Requests that wait for pools to start; further ones are told to come again."""


async def redirect(request: web.Request) -> web.StreamResponse:
    """302 to the streamer; 307 for a publisher, who must repeat the POST there."""
    ctx, name = context(request), request.match_info["name"]
    balancer = _balancer(ctx, request.match_info["balancer"])
    record = ctx.store.get(Kind.STREAM, name)
    if record is None or record.config.get("disabled"):
        raise not_found("stream", name)
    publishes = request.method == "POST"
    # Of the raw path, because the rest may hold escapes that must stay.
    rest = request.rel_url.raw_path.partition(PREFIX)[2].split("/", 2)[2]
    protocol = protocol_of(rest, publishes=publishes)
    if protocol is not None and not publishes and _is_denied(ctx, record, protocol):
        raise ApiError(403, "protocol_denied", f"{name} may not be played by {protocol.title}")
    found = _links(ctx, record, publishes=publishes) or await _woken(ctx, name, publishes=publishes)
    links = {link.hostname: link for link in found if protocol is None or _serves(link, protocol)}
    country = ctx.countries.of(address_of(request)) if ctx.countries is not None else ""
    # A publisher has no choice: the rules are about viewers.
    chosen = choose(map(_candidate, links.values()), None if publishes else balancer, country)
    if chosen is None:
        raise _nobody(record, protocol, balancer)
    link, seen = links[chosen.hostname], viewer(request)
    target = _target(link, record, rest, protocol, seen, publishes=publishes)
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    headers = {"Location": target + query, "Cache-Control": "no-store"}
    return web.Response(status=307 if publishes else 302, headers=headers)


def _is_denied(ctx: Context, record: Record, protocol: Protocol) -> bool:
    return protocol.switch in denied(ctx.views.effective(record))


def _balancer(ctx: Context, name: str) -> BalancerConfig | None:
    record = ctx.store.get(Kind.BALANCER, name)
    if record is not None:
        return BalancerConfig.parse(record.config)
    if name != ANY:
        raise not_found("load_balancer", name)
    return None


def protocol_of(rest: str, *, publishes: bool) -> Protocol | None:
    """The protocol that a path below a stream belongs to, None where that cannot be told."""
    for row, role in roles("publish" if publishes else "play"):
        if row.transport == "own" and rest == row.name:
            return row
        if any(form.path == f"/{{name}}/{rest}" for form in role.forms):
            return row
    return None


def _serves(link: StreamerLink, protocol: Protocol) -> bool:
    """Of a protocol with ports of its own: whether viewers reach one of them."""
    if protocol.transport != "own":
        return True
    ports = public_ports(link)
    return any(ports.get(listener.name) for listener in protocol.listeners)


def _links(ctx: Context, record: Record, *, publishes: bool) -> list[StreamerLink]:
    ingest = (record.layout or {}).get("ingest")
    if not ingest:
        return []
    return [
        link
        for link in ctx.fleet.links()
        if link.online
        # A pod that has just started answers Central before viewers can reach it.
        and (ctx.waker is None or ctx.waker.is_told(link.hostname))
        and (link.hostname == ingest or (not publishes and _plays_copy(link, record)))
    ]


async def _woken(ctx: Context, name: str, *, publishes: bool) -> list[StreamerLink]:
    """Streamers of a stream that sleeps, once its pool has started; none if that takes too long."""
    if ctx.waker is None or len(ctx.waking) >= MAX_WAITING:
        return []
    sleeps = ctx.waker.sleeps(name)
    if not sleeps and not _is_starting(ctx, name):
        return []
    me = object()
    ctx.waking.add(me)
    try:
        if sleeps:
            await ctx.waker.wake(name)
        found: list[StreamerLink] = []
        for _ in range(round(WAKE_SECONDS / WAKE_LOOK_SECONDS)):
            record = ctx.store.get(Kind.STREAM, name)
            if record is None:
                return []
            found = _links(ctx, record, publishes=publishes)
            await asyncio.sleep(WAKE_LOOK_SECONDS)
            if found:  # seen a moment ago: the fleet has heard of its address meanwhile
                break
        return found
    finally:
        ctx.waking.discard(me)


def _is_starting(ctx: Context, name: str) -> bool:
    """Whether somebody else woke it, and its pod cannot be reached by viewers yet."""
    record = ctx.store.get(Kind.STREAM, name)
    ingest = (record.layout or {}).get("ingest") if record is not None else None
    return bool(ingest and ctx.waker is not None and not ctx.waker.is_told(ingest))


def _plays_copy(link: StreamerLink, record: Record) -> bool:
    """A restreamer of the same namespace, or one that keeps a copy of the archive."""
    if link.hostname in ((record.layout or {}).get("dvr_backups") or ()):
        return True
    same = link.config.get("namespace") == record.config.get("namespace")
    return same and bool(link.config.get("is_restreamer"))


def _candidate(link: StreamerLink) -> Candidate:
    stats = link.observed.stats if link.observed is not None else {}

    def count(name: str) -> int:
        value = stats.get(name)
        return value if isinstance(value, int) else 0

    return Candidate(
        link.hostname,
        output_kbit=count("output_kbit"),
        clients=count("total_clients"),
        streams=count("online_streams"),
        capacity_kbit=capacity_kbit(link.config, stats),
    )


def _target(
    link: StreamerLink,
    record: Record,
    rest: str,
    protocol: Protocol | None,
    seen: Viewer,
    *,
    publishes: bool,
) -> str:
    base = public_url(link, seen)
    if protocol is not None and protocol.transport == "own" and rest == protocol.name:
        ports = public_ports(link)
        if publishes:
            urls = [
                one.url for one in publish_urls(record.key, base, ports)
                if one.protocol == protocol.name
            ]  # fmt: skip
        else:
            urls = [
                one.url for one in play_urls(record.key, base, ports)
                if one.protocol == protocol.switch
            ]  # fmt: skip
        if not urls:
            raise ApiError(501, "not_implemented", f"{protocol.title} is not served here")
        return urls[0]
    return f"{base}/{quote(record.key)}/{rest}"


def _nobody(record: Record, protocol: Protocol | None, balancer: BalancerConfig | None) -> ApiError:
    by = f" by {protocol.title}" if protocol is not None else ""
    whom = f" and takes you by the rules of {balancer.name}" if balancer is not None else ""
    return ApiError(
        503,
        "stream_not_placed",
        f"no streamer that is online serves {record.key}{by}{whom} now",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


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
