"""The other servers that the configuration names, asked again and again: sources, peers, and those
that balancers send viewers to.

Role: keeps the streams that they offer in the catalog, decides with the peers who captures what,
and knows how they are. A task for each server, which only waits.

Invariants: a server that fails or talks nonsense changes nothing at once: what it had stays, and
whoever asks for it is told what the connection says. A list that is the same as before costs a
comparison. Thousands of names reach the catalog in parts, between which others get their turn.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from media_api.cluster import PeerConfig, SourceConfig
from media_api.server import ServerConfig

from media_streamer.supervisor.catalog import (
    CapturedElsewhere,
    Catalog,
    Changes,
    Elsewhere,
    RemoteStream,
)
from media_streamer.supervisor.cluster.ingest import capturers
from media_streamer.supervisor.cluster.listing import (
    MAX_ITEMS,
    Address,
    Listing,
    RemoteError,
    RemoteServer,
)
from media_streamer.supervisor.cluster.offers import (
    Offers,
    PeerOffers,
    SourceOffers,
    split_source,
)
from media_streamer.supervisor.tasks import Tasks

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

REFRESH_SECONDS = 3.0
STALE_SECONDS = 10.0
"""A peer that was not heard for so long captures nothing and gets no viewers."""
MIN_REFRESH_SECONDS = 0.2
FIRST_SECONDS = 3.0
AT_ONCE = 250
"""Streams that the catalog is given in one go."""


class Catalogued(Protocol):
    """Who brings changes of the catalog to the workers (`StreamControl`)."""

    @property
    def catalog(self) -> Catalog: ...

    def apply(self, changes: Changes) -> None: ...


@dataclass(slots=True, eq=False)
class Server:
    """Another server, as far as it is known."""

    key: str
    """"source URL" or "peer HOST"."""
    config: SourceConfig | PeerConfig
    remote: RemoteServer
    offers: SourceOffers | PeerOffers
    refresh_seconds: float
    stale_seconds: float
    offered: bool = True
    """Its streams are streams of this server, too; False for one that a balancer alone names."""
    task: asyncio.Task[None] | None = None
    listing: Listing = field(default_factory=lambda: Listing("", {}))
    stats: JsonObject = field(default_factory=dict)
    heard_at: float | None = None
    """Monotonic seconds of its last answer."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """It has answered once, or failed to."""
    error: str = ""
    sent: int = 0
    """Viewers and publishers who were sent to it since it last told how it is."""

    @property
    def public_url(self) -> str:
        """Where viewers reach it."""
        return self.offers.public_url if isinstance(self.offers, PeerOffers) else ""

    def is_asked_like(self, other: "Server") -> bool:
        """Whether nothing of the configuration tells them apart."""
        return (self.config, self.remote.address, self.offered) == (
            other.config,
            other.remote.address,
            other.offered,
        )

    def is_alive(self, now: float) -> bool:
        return self.heard_at is not None and now - self.heard_at <= self.stale_seconds


class OtherServers:
    """One per server. `use` what the configuration says; `alert(key, text)` is told what fails."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        streams: Catalogued,
        alert: Callable[[str, str], None],
        tasks: Tasks,
        hostname: Callable[[], str],
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._refresh = refresh_seconds
        self._http = http
        self._streams = streams
        self._alert = alert
        self._tasks = tasks
        self._hostname = hostname
        self._servers: dict[str, Server] = {}
        self._offers = Offers()
        self._apply_lock = asyncio.Lock()
        self.instance = str(uuid.uuid4())
        """What this run of the server calls itself, so that nobody gives back what is its own."""

    def use(self, config: ServerConfig) -> None:
        """This configuration holds now."""
        wanted = self._wanted(config)
        for key in self._servers.keys() - wanted.keys():
            self._end(self._servers.pop(key))
        for key, item in wanted.items():
            old = self._servers.get(key)
            if old is not None and old.is_asked_like(item):
                continue
            if old is not None:
                self._end(old)
                item.listing, item.stats, item.heard_at = old.listing, old.stats, old.heard_at
            item.task = self._tasks.spawn(self._follow(item), f"asking {key}")
            self._servers[key] = item
        self._servers = {key: self._servers[key] for key in wanted}
        changed = self._offers.order(wanted)
        if changed:
            self._tasks.spawn(self._give(changed), "streams of other servers")
        self._capture()

    async def first(self) -> None:
        """Wait until each was asked once, within a bound: what they have is known from the start,
        and who captures what."""
        events = [server.asked.wait() for server in self._servers.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await asyncio.gather(*events)

    def peer(self, hostname: str) -> Server | None:
        """A peer or a balancer's server by its name."""
        return self._servers.get(f"peer {hostname}")

    def living_peer(self, hostname: str) -> Server | None:
        """The same, if it has been heard of late."""
        server = self.peer(hostname)
        return server if server is not None and server.is_alive(time.monotonic()) else None

    def statistics(self, collection: str, key: str) -> JsonObject | None:
        """`stats` of an item of `/cluster/sources` or `/cluster/peers`; None: it has none."""
        kind = {"sources": "source", "peers": "peer"}.get(collection)
        server = self._servers.get(f"{kind} {key}")
        if server is None:
            return None
        stats = {**server.stats, "stream_count": len(list(self._offers.names(server.key)))}
        return stats | ({"error": server.error} if server.error else {})

    # What the configuration says

    def _wanted(self, config: ServerConfig) -> dict[str, Server]:
        found: dict[str, Server] = {}
        for source in config.sources:
            self._add(found, source, source.url, config.cluster_key)
        own = self._hostname()
        peers = {peer.hostname: peer for peer in config.peers}
        for balancer in config.balancers:
            for server in balancer.servers:
                peers.setdefault(server.name, PeerConfig(hostname=server.name))
        declared = {peer.hostname for peer in config.peers}
        for name, peer in peers.items():
            if name != own:  # one configuration for all servers of a cluster names each of them
                self._add(found, peer, name, config.cluster_key, offered=name in declared)
        return found

    def _add(
        self,
        found: dict[str, Server],
        config: SourceConfig | PeerConfig,
        name: str,
        cluster_key: str | None,
        *,
        offered: bool = True,
    ) -> None:
        kind = "source" if isinstance(config, SourceConfig) else "peer"
        key, secret = f"{kind} {name}", config.cluster_key or cluster_key
        try:
            if isinstance(config, SourceConfig):
                address = Address.of(split_source(config.url)[0], secret)
                offers: SourceOffers | PeerOffers = SourceOffers(config, address, self.instance)
                refresh, stale = self._refresh, STALE_SECONDS
            else:
                address = Address.of(config.api_url or name, secret)
                offers = PeerOffers(config, address)
                refresh = _seconds(config.fetch_timeout, self._refresh)
                stale = _seconds(config.stale_timeout, max(STALE_SECONDS, 3 * refresh))
        except ValueError as error:
            self._alert(key, f"{key}: {error}")
            return
        remote = RemoteServer(self._http, address)
        found[key] = Server(key, config, remote, offers, refresh, stale, offered)

    def _end(self, server: Server) -> None:
        if server.task is not None:
            server.task.cancel()
        self._alert(server.key, "")

    # What the servers say

    async def _follow(self, server: Server) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self._ask(server)
                self._say(server, self._complaint(server))
            except (RemoteError, TimeoutError) as error:
                self._say(server, str(error) or "it does not answer in time")
                await self._gone(server)
            except Exception as error:
                log.exception("%s: its answer is not used", server.key)
                self._say(server, f"internal error: {type(error).__name__}")
            server.asked.set()
            self._capture()
            await asyncio.sleep(server.refresh_seconds)

    async def _ask(self, server: Server) -> None:
        listing = await server.remote.list_streams()
        if isinstance(server.offers, PeerOffers):
            server.stats, server.sent = await server.remote.statistics(), 0
        server.heard_at = time.monotonic()
        if listing is server.listing:
            return
        server.listing = listing
        if listing.instance == self.instance or not server.offered:
            offers = {}
        elif isinstance(server.offers, PeerOffers):
            offers = server.offers.of(listing)
        else:
            offers = server.offers.of(listing, self._offers.names(server.key))
        await self._give(self._offers.put(server.key, offers))

    async def _gone(self, server: Server) -> None:
        """Nobody is sent to a peer that was not heard for long; a source may be back any time."""
        if isinstance(server.config, PeerConfig) and not server.is_alive(time.monotonic()):
            server.listing = Listing("", {})
            await self._give(self._offers.put(server.key, {}))

    def _complaint(self, server: Server) -> str:
        """What is wrong with a server that answers."""
        listing = server.listing
        if listing.instance == self.instance and listing.instance:
            return "it is this server itself: nothing is taken from it"
        if listing.cut:
            return f"it has more streams than the {MAX_ITEMS} that are taken"
        if listing.invalid:
            return f"{listing.invalid} of its streams have names that no stream can have here"
        return ""

    def _say(self, server: Server, problem: str) -> None:
        if problem != server.error and self._servers.get(server.key) is server:
            server.error = problem
            if problem:
                log.warning("%s: %s", server.key, problem)
            else:
                log.info("%s answers, %d streams", server.key, len(server.listing.streams))
            self._alert(server.key, f"{server.key}: {problem}" if problem else "")

    async def _give(self, names: Iterable[str]) -> None:
        """The catalog learns what became of these names."""
        left = sorted(names)
        async with self._apply_lock:
            while left:
                part, left = left[:AT_ONCE], left[AT_ONCE:]
                now = {name: self._offers.stream(name) for name in part}
                given: dict[str, RemoteStream] = {k: v for k, v in now.items() if v is not None}
                gone = [name for name, stream in now.items() if stream is None]
                self._streams.apply(self._streams.catalog.change_remote(given, gone))
                await asyncio.sleep(0)

    # Who captures what

    def _capture(self) -> None:
        """Streams with `cluster_ingest` are captured by one server of those that have them."""
        catalog, now = self._streams.catalog, time.monotonic()
        peers: dict[str, Collection[str]] = {
            server.config.hostname: {
                one.name for one in server.listing.streams.values() if one.ingest
            }
            for server in self._servers.values()
            if isinstance(server.config, PeerConfig) and server.offered and server.is_alive(now)
        }
        if not peers and not catalog.captured:
            return
        wanted = {
            name: stream.config.cluster_ingest.capture_at
            for name, stream in catalog.streams.items()
            if stream.config.cluster_ingest is not None and stream.named_by != "remote"
        }
        captured = {}
        for name, peer in capturers(self._hostname(), wanted, peers).items():
            server = self._servers[f"peer {peer}"]
            assert isinstance(server.offers, PeerOffers)
            elsewhere = Elsewhere(
                peer, server.public_url, (server.listing.instance,), captured=True
            )
            captured[name] = CapturedElsewhere(
                server.offers.inputs(name, server.listing), elsewhere
            )
        changes = catalog.set_captured(captured)
        for name in sorted(changes.changed):
            where = captured[name].elsewhere.hostname if name in captured else "this server"
            log.info("stream %s: captured by %s", name, where)
        self._streams.apply(changes)


def _seconds(milliseconds: int | None, default: float) -> float:
    if milliseconds is None:
        return default
    return max(milliseconds / 1000, MIN_REFRESH_SECONDS)
