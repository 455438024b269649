"""Where viewers and publishers are sent: to the server of a cluster that has the stream, or to the
one that a balancer chooses.

Only HTTP has a way to say so that its clients follow; who comes by another protocol is fed here,
and a balancer has nothing for him. Whoever may watch is decided where he is sent; the query string
with the token goes along.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from media_api.balancing import BITS_PER_KBIT, Candidate, choose
from media_api.cluster import BalancerConfig, PeerConfig

from media_streamer.supervisor.catalog import Catalog, Stream
from media_streamer.supervisor.cluster.servers import OtherServers, Server
from media_streamer.wire.control import AccessRequest, Refusal

UNKNOWN_VIEWER_KBIT = 2000
"""What a viewer is taken to cost who was sent to a server that tells of none yet."""


class Director:
    """One per server. `load`: what this server itself does now."""

    def __init__(
        self, servers: OtherServers, catalog: Catalog, load: Callable[[], Candidate]
    ) -> None:
        self._servers = servers
        self._catalog = catalog
        self._load = load

    def balance(self, request: AccessRequest, country_of: Callable[[str], str]) -> Refusal | None:
        """The answer to a request for BALANCER/STREAM; None for any other name."""
        found = self._balancer(request.name)
        if found is None:
            return None
        balancer, name = found
        if not request.path:
            title = "A balancer sends on by HTTP: HLS, DASH, WebRTC and the like"
            return Refusal(404, "balancer_needs_http", title)
        candidates = self._candidates(balancer, name, publishes=request.kind == "publish")
        chosen = choose(candidates, balancer, country_of(request.ip))
        if chosen is None:
            title = f"No server of {balancer.name} takes you for {name} now; try again"
            return Refusal(503, "no_server", title)
        server = self._servers.peer(chosen.hostname)
        if server is None:
            return _sent_to("", request, name)
        server.sent += 1
        return _sent_to(server.public_url, request, name)

    def send_on(self, stream: Stream, request: AccessRequest) -> Refusal | None:
        """The answer to a request for a stream that a peer has; None: it is served here."""
        elsewhere = stream.elsewhere
        if elsewhere is None or not elsewhere.url or not request.path:
            return None
        return _sent_to(elsewhere.url, request, stream.name)

    def _balancer(self, name: str) -> tuple[BalancerConfig, str] | None:
        for balancer in self._catalog.config.balancers:
            if name.startswith(f"{balancer.name}/") and name not in self._catalog.streams:
                return balancer, name[len(balancer.name) + 1 :]
        return None

    def _candidates(
        self, balancer: BalancerConfig, name: str, *, publishes: bool
    ) -> list[Candidate]:
        """Those that have the stream; all that live if none says so: a template may make it."""
        own = self._load()
        found: list[tuple[Candidate, bool]] = []
        for one in balancer.servers:
            if one.name == own.hostname:
                found.append((own, self._serves(name)))
            elif (server := self._servers.living_peer(one.name)) is not None:
                has = name in server.listing.streams
                if _has_room(server, publishes=publishes and not has):
                    found.append((_candidate(one.name, server), has))
        having = [candidate for candidate, has in found if has]
        return having or [candidate for candidate, _ in found]

    def _serves(self, name: str) -> bool:
        """Whether viewers by HTTP get the stream from this server itself."""
        stream = self._catalog.streams.get(name)
        return stream is not None and (stream.elsewhere is None or not stream.elsewhere.url)


def _has_room(server: Server, *, publishes: bool) -> bool:
    """Whether a peer's own limits let it have more; `publishes`: a stream that it has not."""
    limits, stats = server.config, server.stats
    if not isinstance(limits, PeerConfig):
        return True
    output = _candidate(limits.hostname, server).output_kbit * BITS_PER_KBIT
    if limits.max_bitrate is not None and output >= limits.max_bitrate:
        return False
    if limits.cpu_limit is not None and _count(stats, "cpu_usage") >= limits.cpu_limit:
        return False
    streams = _count(stats, "online_streams")
    return not publishes or limits.channel_limit is None or streams < limits.channel_limit


def _count(stats: Mapping[str, Any], name: str) -> int:
    value = stats.get(name)
    return value if isinstance(value, int) else 0


def _candidate(hostname: str, server: Server) -> Candidate:
    """What it said last, and what was sent to it since."""
    stats = server.stats
    clients, output = _count(stats, "total_clients"), _count(stats, "output_kbit")
    of_viewer = output // clients if clients and output else UNKNOWN_VIEWER_KBIT
    return Candidate(
        hostname,
        output_kbit=output + server.sent * of_viewer,
        clients=clients + server.sent,
        streams=_count(stats, "online_streams"),
        capacity_kbit=_count(stats, "total_bandwidth") // BITS_PER_KBIT,
    )


def _sent_to(base: str, request: AccessRequest, name: str) -> Refusal:
    """`base`: of the server, empty for this one; `name`: of the stream there."""
    # The path begins with the name under which it was asked for, whatever its escapes.
    rest = unquote(request.path).removeprefix(f"/{request.name}")
    query = f"?{request.qs}" if request.qs else ""
    location = f"{base}/{quote(name)}{quote(rest, safe='/:(=),')}{query}"
    return Refusal(302, "redirected", "Another server has the stream", location)
