"""Where viewers and publishers are sent: to the server of a cluster that has the stream, or to the
one that a balancer chooses.

Only HTTP has a way to say so that its clients follow; who comes by another protocol is fed here,
and a balancer has nothing for him. Whoever may watch is decided where he is sent; the query string
with the token goes along.
"""

from collections.abc import Callable
from urllib.parse import quote, unquote

from media_api.balancing import BITS_PER_KBIT, Candidate, choose
from media_api.cluster import BalancerConfig

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
        chosen = choose(self._candidates(balancer, name), balancer, country_of(request.ip))
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

    def _candidates(self, balancer: BalancerConfig, name: str) -> list[Candidate]:
        """Those that have the stream; all that live if none says so: a template may make it."""
        own = self._load()
        found: list[tuple[Candidate, bool]] = []
        for one in balancer.servers:
            if one.name == own.hostname:
                found.append((own, name in self._catalog.streams))
            elif (server := self._servers.living_peer(one.name)) is not None:
                found.append((_candidate(one.name, server), name in server.listing.streams))
        having = [candidate for candidate, has in found if has]
        return having or [candidate for candidate, _ in found]


def _candidate(hostname: str, server: Server) -> Candidate:
    """What it said last, and what was sent to it since."""

    def count(name: str) -> int:
        value = server.stats.get(name)
        return value if isinstance(value, int) else 0

    clients, output = count("total_clients"), count("output_kbit")
    of_viewer = output // clients if clients and output else UNKNOWN_VIEWER_KBIT
    return Candidate(
        hostname,
        output_kbit=output + server.sent * of_viewer,
        clients=clients + server.sent,
        streams=count("online_streams"),
        capacity_kbit=count("total_bandwidth") // BITS_PER_KBIT,
    )


def _sent_to(base: str, request: AccessRequest, name: str) -> Refusal:
    """`base`: of the server, empty for this one; `name`: of the stream there."""
    # The path begins with the name under which it was asked for, whatever its escapes.
    rest = unquote(request.path).removeprefix(f"/{request.name}")
    query = f"?{request.qs}" if request.qs else ""
    location = f"{base}/{quote(name)}{quote(rest, safe='/:(=),')}{query}"
    return Refusal(302, "redirected", "Another server has the stream", location)
