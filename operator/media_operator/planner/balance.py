"""Which streams to move for an even load: a pure function, called only where somebody asked.

`place` never moves a stream for balance, so after a drain everything may sit on one streamer. A
move must lower the fuller of its two streamers below what it was; that ends by itself, with shares
that differ by one stream at most where nothing is bound. A stream that its spec binds, or that only
fits where it is, stays; so does one that is recorded on the volume of its streamer.
"""

from collections.abc import Iterable, Mapping

from media_operator.planner.encoding import NOTHING
from media_operator.planner.placement import (
    Assignment,
    ChangeReason,
    Decision,
    Load,
    StreamDemand,
    StreamerOffer,
    misfit,
)


def rebalance(
    streams: Iterable[StreamDemand],
    streamers: Iterable[StreamerOffer],
    current: Mapping[str, Assignment],
    at_most: int,
) -> list[Decision]:
    """At most so many moves, the fullest streamers first; none where the load is even.

    Only between streamers that are online and stay; what must be placed anyhow is `place`'s.
    """
    offers = {o.hostname: o for o in streamers if o.online and not o.draining and not o.spare}
    load = Load(offers)
    homes: dict[str, list[StreamDemand]] = {hostname: [] for hostname in offers}
    for stream in sorted(streams, key=lambda demand: demand.name):
        assignment = current.get(stream.name)
        if assignment is None or stream.disabled or assignment.streamer not in offers:
            continue
        load.add(stream, assignment.streamer)
        homes[assignment.streamer].append(stream)
    decisions: list[Decision] = []
    stays: set[str] = set()
    while len(decisions) < at_most and len(stays) < len(offers):
        fullest = max(offers.keys() - stays, key=lambda name: (load.share(name), name))
        found = _move_off(fullest, homes[fullest], offers, load)
        if found is None:
            stays.add(fullest)
            continue
        stream, target = found
        homes[fullest].remove(stream)
        homes[target].append(stream)
        load.remove(stream, fullest)
        load.add(stream, target)
        decisions.append(Decision(stream.name, target, fullest, ChangeReason.BALANCE))
    return _without_detours(decisions)


def _move_off(
    fullest: str,
    movable: list[StreamDemand],
    offers: Mapping[str, StreamerOffer],
    load: Load,
) -> tuple[StreamDemand, str] | None:
    """A stream of the fullest and a streamer that is better for it."""
    now = load.share(fullest)
    for target in sorted(offers, key=lambda name: (load.share(name), name)):
        if load.share(target, 1) >= now:
            return None
        for stream in movable:
            after = load.share(target, 1, stream.takes_of(offers[target]))
            less = NOTHING.minus(stream.takes_of(offers[fullest]))
            if after < now > load.share(fullest, -1, less) and _may_move(
                stream, offers[fullest], offers[target], load
            ):
                return stream, target
    return None


def _may_move(stream: StreamDemand, home: StreamerOffer, target: StreamerOffer, load: Load) -> bool:
    if home.hostname in stream.homes:
        return False
    prefers = stream.preferred
    if prefers and home.answers_to(prefers) and not target.answers_to(prefers):
        return False
    if target.has_gpu and not home.has_gpu and not stream.needs_gpu:
        return False
    return misfit(stream, target) is None and load.refuses(stream, target) is None


def _without_detours(decisions: list[Decision]) -> list[Decision]:
    """A stream that was moved twice goes from its first streamer to its last."""
    first: dict[str, str | None] = {}
    last: dict[str, Decision] = {}
    for decision in decisions:
        first.setdefault(decision.stream, decision.previous)
        last[decision.stream] = decision
    return [
        Decision(name, decision.streamer, first[name], decision.reason)
        for name, decision in last.items()
        if decision.streamer != first[name]
    ]
