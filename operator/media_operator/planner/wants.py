"""What streams ask of the pools that the operator scales: a pure count, made once they are placed.

A stream counts for the pool that runs it. One that fits nowhere now counts for the one pool that
would take it if it had more pods, so that no two pools grow for it, and for none while pods of
another pool that would take it are starting. A pool of `minReplicas: 0` sleeps while all of its
streams rest: those that run on demand and that nobody asks for.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from media_operator.objects import Key, Snapshot, StreamObject, TierObject
from media_operator.planner.actions import Plan
from media_operator.planner.encoding import NOTHING, Encoding, at_once
from media_operator.planner.offers import Server, offer_of_next
from media_operator.planner.placement import Decision, StreamDemand, StreamerOffer, misfit
from media_operator.settings import Settings

FULL_SHARE = 0.8
"""A pool grows when this share of its channels, its bandwidth, or of what ladders take is taken."""
WANTED_FOR = timedelta(minutes=5)
"""So long a stream on demand is kept ready for whom asked; who then watches keeps it himself."""


@dataclass(slots=True)
class Wants:
    """Of one pool."""

    streams: int = 0
    kbit: int = 0
    """Claimed input bit rates."""
    ladders: Counter[Encoding] = field(default_factory=Counter)
    """How many there are of each size."""
    awake: bool = False
    """One of the streams must run now."""
    held: int = 0
    """Pods up to the last one on whose volume a stream is recorded: no fewer while any runs."""

    def add(self, demand: StreamDemand, offer: StreamerOffer) -> None:
        """One stream more."""
        self.streams += 1
        self.kbit += demand.bandwidth_kbit
        ladder = demand.takes_of(offer)
        if ladder is not NOTHING:
            self.ladders[ladder] += 1

    def pods(self, offer: StreamerOffer, share: float) -> int:
        """As many as hold all of it at this share of their limits."""
        by_channels = self.streams / (offer.channel_limit * share)
        by_rate = self.kbit / (offer.bandwidth_kbit * share) if offer.bandwidth_kbit else 0.0
        # Each size by itself: two ladders that take a little more than half fill two pods, not 1.1.
        by_ladders = sum(
            count / at_once(offer.encoding, each, share) for each, count in self.ladders.items()
        )
        return math.ceil(max(by_channels, by_rate, by_ladders))


@dataclass(slots=True)
class Wished:
    """Of all pools of a namespace that are scaled, and the streams that may sleep."""

    pools: dict[Key, Wants] = field(default_factory=dict)
    asleep: dict[str, str] = field(default_factory=dict)
    """Streams that rest without a streamer, by resource name: the pool that would wake for them."""


def may_sleep(tier: TierObject) -> bool:
    """Its author lets it have no pods."""
    return bool(tier.spec.get("maxReplicas")) and tier.spec.get("minReplicas") == 0


def must_run(stream: StreamObject, now: datetime, plan: Plan) -> bool:
    """Whether it runs without being asked for, runs, or was asked for just now."""
    if stream.static or stream.active_on:
        return True
    if stream.wanted_at is None:
        return False
    left = (stream.wanted_at + WANTED_FOR - now).total_seconds()
    if left > 0:
        plan.look_again(left)
    return left > 0


def wished(
    namespace: str,
    snapshot: Snapshot,
    settings: Settings,
    streams: Iterable[tuple[StreamObject, StreamDemand]],
    decisions: Mapping[str, Decision],
    servers: Mapping[str, Server],
    now: datetime,
    plan: Plan,
) -> Wished:
    """`streams`: those without a fault; `decisions` on them, `servers` by host name."""
    pools = [
        _Pool(tier, offer_of_next(tier, settings))
        for (kind, space, _), tier in snapshot.tiers.items()
        if kind == "Streamer" and space == namespace and tier.spec.get("maxReplicas")
        if not tier.deleting and not tier.external
    ]
    found = Wished({pool.tier.key: pool.wants for pool in pools})
    if not pools:
        return found
    by_name = {pool.tier.name: pool for pool in pools}
    others = [
        offer
        for offer in _starting(namespace, snapshot, settings, servers.values())
        if offer.pool not in by_name
    ]
    homeless: list[tuple[StreamObject, StreamDemand]] = []
    for stream, demand in streams:
        if demand.disabled:
            continue
        decision = decisions.get(stream.name)
        hostname = decision.streamer if decision else stream.status.get("streamer")
        server = servers.get(hostname) if hostname else None
        stays = decision is not None and decision.streamer == decision.previous
        if server is None or (stays and server.offer.draining):
            homeless.append((stream, demand))
        elif (pool := by_name.get(server.offer.pool)) is not None:
            pool.add(demand, awake=must_run(stream, now, plan))
            if hostname in demand.homes and server.keeps_archives:
                pool.wants.held = max(pool.wants.held, server.ordinal + 1)
    for stream, demand in homeless:
        if any(misfit(demand, offer) is None for offer in others):
            continue
        best = min(
            (p for p in pools if p.takes(demand)), key=lambda p: p.rank(demand), default=None
        )
        if best is None:
            continue
        if not may_sleep(best.tier) or must_run(stream, now, plan):
            best.add(demand, awake=True)
        else:
            found.asleep[stream.name] = best.tier.name
    return found


def _starting(
    namespace: str, snapshot: Snapshot, settings: Settings, servers: Iterable[Server]
) -> list[StreamerOffer]:
    """Pods that will take streams soon, as far as anybody knows; some are not even made."""
    known = list(servers)
    pods = Counter(server.offer.pool for server in known)
    unmade = [
        offer_of_next(tier, settings)
        for (kind, space, name), tier in snapshot.tiers.items()
        if kind == "Streamer" and space == namespace and not tier.external and not tier.deleting
        if pods[name] < int(tier.spec.get("replicas", 1))
    ]
    return [*unmade, *(replace(s.offer, online=True) for s in known if s.starting)]


@dataclass(slots=True)
class _Pool:
    """A pool while streams are counted."""

    tier: TierObject
    offer: StreamerOffer
    """What one more pod of it would be."""
    wants: Wants = field(default_factory=Wants)

    def add(self, demand: StreamDemand, *, awake: bool) -> None:
        self.wants.add(demand, self.offer)
        self.wants.awake |= awake

    def takes(self, demand: StreamDemand) -> bool:
        """Whether the stream fits it, and it may still grow for it."""
        if misfit(demand, self.offer) is not None:
            return False
        after = replace(self.wants, ladders=Counter(self.wants.ladders))
        after.add(demand, self.offer)
        return after.pods(self.offer, 1.0) <= int(self.tier.spec["maxReplicas"])

    def rank(self, demand: StreamDemand) -> tuple[bool, bool, bool, str]:
        """The lowest is the best: as `place` would choose, and rather one that is awake."""
        preferred = bool(demand.preferred) and self.offer.answers_to(str(demand.preferred))
        spared = self.offer.has_gpu and not demand.needs_gpu
        sleeps = not self.tier.status.get("replicas")
        return not preferred, spared, sleeps, self.tier.name
