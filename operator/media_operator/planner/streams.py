"""Plan of the Streams of one namespace: where each runs, and what its status must say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from media_api.play_urls import play_urls
from media_api.resources.conditions import ASLEEP
from media_api.timestamps import parse_timestamp, timestamp
from media_api.unsupported import INPUT_SCHEMES

from media_operator import conditions
from media_operator.conditions import Condition, Fault, accepted
from media_operator.objects import Key, Object, Snapshot, StreamObject, TierObject
from media_operator.planner.actions import Note, Plan, WriteStatus
from media_operator.planner.archives import ArchiveWish
from media_operator.planner.balance import rebalance
from media_operator.planner.default_pool import MARKER, is_expected
from media_operator.planner.offers import Server, is_shadowed, seeded, servers, templates_of
from media_operator.planner.patience import is_young
from media_operator.planner.placement import (
    WORDS,
    Assignment,
    Decision,
    StreamDemand,
    StreamerOffer,
    place,
)
from media_operator.planner.wants import Wants, wished
from media_operator.settings import Settings

MOVES_AT_A_TIME = 100
"""Streams that run on two streamers at once for the sake of an even load."""
MAX_ARCHIVES = 8
MAX_MOVE_NOTES = 50
"""A failover of thousands is no reason for thousands of Events: conditions tell each."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What the plan of streams means for the pools of their namespace."""

    even: set[Key] = field(default_factory=set)
    """Those whose load was asked to be even, and is."""
    wants: dict[Key, Wants] = field(default_factory=dict)
    """Of those that the operator scales."""


def plan_streams(
    namespace: str, snapshot: Snapshot, settings: Settings, now: datetime, plan: Plan
) -> Planned:
    """Add what must be written for the Streams of `namespace` to `plan`."""
    streams = sorted(
        (s for s in snapshot.streams.values() if s.namespace == namespace),
        key=lambda stream: (stream.created, stream.name),
    )
    found_servers = servers(namespace, snapshot, settings, now, plan)
    by_hostname = {server.offer.hostname: server for server in found_servers}
    faults = _faults(streams, snapshot, now, plan)
    sound = [stream for stream in streams if stream.name not in faults]
    current = {s.name: found for s in sound if (found := _assignment(s)) is not None}
    offers = [server.offer for server in by_hostname.values()]
    demands = [_demand(stream, by_hostname, now, plan) for stream in sound]
    made = place(demands, offers, current, seeded(namespace))
    decisions = {decision.stream: decision for decision in made}
    even = _even_out(namespace, snapshot, sound, demands, offers, current, decisions)
    wishes = wished(
        namespace, snapshot, settings, list(zip(sound, demands, strict=True)), decisions,
        by_hostname, now, plan,
    )  # fmt: skip
    waits = is_expected(namespace, snapshot, settings)
    pools = {
        name: not tier.deleting and not is_shadowed(tier, snapshot)
        for (kind, space, name), tier in snapshot.tiers.items()
        if kind == "Streamer" and space == namespace
    }
    for stream in streams:
        status: dict[str, Any] = {}
        if (fault := faults.get(stream.name)) is not None:
            wanted = _stalled(fault)
        elif (pool := wishes.asleep.get(stream.name)) is not None:
            wanted = _asleep(pool)
        else:
            decision = decisions.get(stream.name)
            status, wanted = _outcome(stream, decision, by_hostname, waits=waits)
            if not status and stream.streamer and not stream.disabled:
                wanted = _named(stream, decision, by_hostname, pools, now, plan)
        if archives := _archives(stream, status.get("streamer"), by_hostname):
            status["archives"] = archives
        _write(stream, status, [*wanted, accepted(stream.unserved)], now, plan)
    moves = [d for d in decisions.values() if d.previous and d.streamer not in (None, d.previous)]
    if len(moves) <= MAX_MOVE_NOTES:
        plan.notes += [
            _moved(snapshot.streams[namespace, move.stream], move, by_hostname) for move in moves
        ]
    return Planned(even, wishes.pools)


def _even_out(
    namespace: str,
    snapshot: Snapshot,
    sound: list[StreamObject],
    demands: list[StreamDemand],
    offers: list[StreamerOffer],
    current: dict[str, Assignment],
    decisions: dict[str, Decision],
) -> set[Key]:
    """Add moves for the pools that ask for an even load; those that have it."""
    even: set[Key] = set()
    settled = {
        stream.name: current[stream.name]
        for stream in sound
        if stream.name in current and stream.name not in decisions
    }
    moving = sum(bool(stream.status.get("previousStreamer")) for stream in sound)
    for (kind, space, pool), tier in snapshot.tiers.items():
        if kind != "Streamer" or space != namespace or not _asks_for_balance(tier):
            continue
        mine = [offer for offer in offers if offer.pool == pool]
        moves = rebalance(demands, mine, settled, max(0, MOVES_AT_A_TIME - moving))
        decisions |= {move.stream: move for move in moves}
        moving += len(moves)
        if not moves and not moving and any(offer.online for offer in mine):
            even.add(tier.key)
    return even


def _asks_for_balance(tier: TierObject) -> bool:
    asked_now = tier.rebalance and tier.rebalance != tier.status.get("rebalanced")
    return bool(asked_now or tier.spec.get("rebalance") == "Always")


def _demand(
    stream: StreamObject, by_hostname: Mapping[str, Server], now: datetime, plan: Plan
) -> StreamDemand:
    return StreamDemand(
        name=stream.name,
        disabled=stream.disabled,
        streamer=stream.streamer,
        preferred=stream.preferred,
        required_labels=stream.required_labels,
        needs_gpu=stream.needs_gpu,
        template=stream.template,
        bandwidth_kbit=stream.bandwidth_kbit,
        archive=_wish(stream),
        homes=tuple(_archives(stream, None, by_hostname)),
        waits=_waits(stream, by_hostname, now, plan),
        encoding=stream.encoding,
        encoding_by_gpu=stream.encoding_by_gpu,
    )


def _wish(stream: StreamObject) -> ArchiveWish | None:
    return None if stream.dvr is None else ArchiveWish(*stream.dvr)


def _is_kept(stream: StreamObject, server: Server | None) -> bool:
    """Whether the stream is recorded on a volume of that server, or would be."""
    storages = server.offer.storages if server is not None else None
    return storages is not None and storages.keep(_wish(stream), stream.template)


def _archives(
    stream: StreamObject, hostname: str | None, by_hostname: Mapping[str, Server]
) -> list[str]:
    """Pods with parts of the stream's archive, the latest first, once it runs at `hostname`."""
    known = [hostname, *(stream.status.get("archives") or [])]
    kept = [name for name in known if name and _is_kept(stream, by_hostname.get(name))]
    return list(dict.fromkeys(kept))[:MAX_ARCHIVES]


def _waits(
    stream: StreamObject, by_hostname: Mapping[str, Server], now: datetime, plan: Plan
) -> str:
    """Why the stream does not leave its streamer although that is away or drains."""
    hostname = str(stream.status.get("streamer") or "")
    server = by_hostname.get(hostname)
    if server is None or not server.keeps_archives or not _is_kept(stream, server):
        return ""
    words = f"its archive is on the volume of {hostname}"
    if server.offer.online:
        return words
    observed: list[Object] = stream.status.get("conditions") or []
    ready: Object = next((c for c in observed if c.get("type") == "Ready"), {})
    since = now
    if ready.get("status") != "True" and ready.get("lastTransitionTime"):
        since = parse_timestamp(ready["lastTransitionTime"])
    until = since + timedelta(seconds=server.waits_seconds)
    left = (until - now).total_seconds()
    if left <= 0:
        return ""
    plan.look_again(left)
    return f"{words}; if that is not back by {timestamp(until)} it goes on elsewhere"


def _assignment(stream: StreamObject) -> Assignment | None:
    hostname = stream.status.get("streamer")
    return Assignment(hostname, stream.status.get("preferredStreamer")) if hostname else None


def _faults(
    streams: list[StreamObject], snapshot: Snapshot, now: datetime, plan: Plan
) -> dict[str, Fault]:
    """What only a change of the spec cures, by resource name; `streams` the oldest first."""
    known = _templates(streams[0].namespace, snapshot) if streams else None
    owners: dict[str, str] = {}
    found: dict[str, Fault] = {}
    for stream in streams:
        owner = owners.setdefault(stream.stream_name, stream.name)
        if owner != stream.name:
            message = (
                f"the name {stream.stream_name!r} belongs to the older Stream {owner!r}; "
                "choose another spec.name"
            )
            found[stream.name] = Fault("NameConflict", message)
        elif stream.disabled:
            continue
        elif stream.invalid:
            found[stream.name] = Fault("ConfigInvalid", stream.invalid)
        elif stream.schemes and INPUT_SCHEMES.isdisjoint(stream.schemes):
            schemes = ", ".join(f"{scheme}://" for scheme in sorted(set(stream.schemes)))
            message = f"no input can be opened: this version does not serve {schemes}"
            found[stream.name] = Fault("InputNotServed", message)
        elif stream.template and known is not None and stream.template not in known:
            message = (
                f"no Streamer here has the template {stream.template!r}: "
                "add it to spec.config.templates of one"
            )
            if not is_young(stream.created, now, plan):
                found[stream.name] = Fault("TemplateNotFound", message)
    return found


def _templates(namespace: str, snapshot: Snapshot) -> frozenset[str] | None:
    """Those of all pools; None while there is no pool, or one of which nobody can say."""
    pools = [
        templates_of(tier)
        for (kind, space, _), tier in snapshot.tiers.items()
        if kind == "Streamer" and space == namespace
    ]
    known = [names for names in pools if names is not None]
    return frozenset().union(*known) if pools and len(known) == len(pools) else None


def _stalled(fault: Fault) -> list[Condition]:
    return [
        Condition("Ready", "False", fault.reason, fault.message),
        Condition("Scheduled", "False", fault.reason, fault.message),
        Condition("Stalled", "True", fault.reason, fault.message),
    ]


def _asleep(pool: str) -> list[Condition]:
    """Of a stream on demand whose pool has no pods: all is as its author wants it."""
    return [
        Condition("Ready", "True", ASLEEP, f"the pool {pool} starts when somebody asks for it"),
        Condition("Scheduled", "False", ASLEEP, f"the pool {pool} has no pods now"),
    ]


def _outcome(
    stream: StreamObject,
    decision: Decision | None,
    by_hostname: Mapping[str, Server],
    *,
    waits: bool,
) -> tuple[dict[str, Any], list[Condition]]:
    """Status fields and conditions of a stream after the decision on it; `waits`: where there is
    no server yet, one will come."""
    if stream.disabled:
        return {}, [
            Condition("Ready", "True", "Disabled", "disabled: it runs nowhere, as its spec asks"),
            Condition("Scheduled", "False", "Disabled"),
        ]
    hostname = decision.streamer if decision else stream.status.get("streamer")
    if hostname is None:
        return {}, _unscheduled(decision, list(by_hostname.values()), waits=waits)
    server = by_hostname.get(hostname)
    status: dict[str, Any] = {"streamer": hostname}
    if stream.preferred:
        status["preferredStreamer"] = stream.preferred
    leaving = _leaving(stream, hostname, by_hostname)
    if leaving:
        status["previousStreamer"] = leaving
    if server is not None and server.offer.online:
        status["urls"] = {
            entry.form: entry.url
            for entry in play_urls(
                stream.stream_name,
                server.reach.http_url,
                server.reach.ports,
                stream.denied_protocols,
            )
        }
    placed = f"placed on {hostname}"
    if older := [name for name in _archives(stream, hostname, by_hostname) if name != hostname]:
        placed += f"; parts of its archive are on the volumes of {', '.join(older)}"
    scheduled = Condition("Scheduled", "True", "Placed", placed)
    if server is not None and server.offer.online:
        return status, [Condition("Ready", "True", "Running", f"runs on {hostname}"), scheduled]
    problem = (server.problem if server else "") or "it is not ready"
    elsewhere = f"; {decision.message}" if decision and decision.message else ""
    kept = server is not None and server.keeps_archives and _is_kept(stream, server)
    reason = "ArchiveAway" if kept else "StreamerNotReady"
    return status, [
        Condition("Ready", "False", reason, f"{hostname}: {problem}{elsewhere}"),
        scheduled,
    ]


def _named(
    stream: StreamObject,
    decision: Decision | None,
    by_hostname: Mapping[str, Server],
    pools: Mapping[str, bool],
    now: datetime,
    plan: Plan,
) -> list[Condition]:
    """Of a stream that runs nowhere and names the Streamer that may run it; `pools`: all there are,
    and whether each takes streams, now or once it has pods.

    That one is missing is not said at once: what is applied together does not arrive together.
    """
    name = str(stream.streamer)
    its_own = [one for one in by_hostname.values() if one.offer.answers_to(name)]
    if its_own or pools.get(name):
        return _unscheduled(decision, its_own, waits=True)
    if name in pools:
        message = (
            f"the Streamer {name!r}, which spec.streamer names, takes no streams: see its status"
        )
        return _nowhere("False", message)
    comes = is_young(stream.created, now, plan)
    message = f"there is no Streamer {name!r}, which spec.streamer names"
    return _nowhere("Unknown" if comes else "False", message)


def _unscheduled(
    decision: Decision | None, able: Sequence[Server], *, waits: bool
) -> list[Condition]:
    """`able`: those of the Streamer that the stream names, or all."""
    message = decision.message if decision else "there is no streamer"
    problems = sorted({one.problem for one in able if one.problem})
    if problems:
        message = f"{message}; {problems[0]}"
    if not able and not waits:
        message += f"; apply one, or delete the ConfigMap {MARKER} to have the operator make it"
        return _nowhere("False", message)
    comes = not able or any(server.starting for server in able)
    return _nowhere("Unknown" if comes else "False", message)


def _nowhere(ready: Literal["False", "Unknown"], message: str) -> list[Condition]:
    """`ready` is unknown where a streamer is on its way."""
    reason = "WaitingForStreamer" if ready == "Unknown" else "NoStreamerAvailable"
    return [
        Condition("Ready", ready, reason, message),
        Condition("Scheduled", "False", "NoStreamerAvailable", message),
    ]


def _leaving(stream: StreamObject, hostname: str, by_hostname: Mapping[str, Server]) -> str | None:
    """The streamer that runs it on until the new one has pictures: make before break.

    One that leaves, or that the stream was moved off for another reason while it had pictures.
    """
    previous = stream.status.get("streamer")
    if previous == hostname:
        if stream.active_on == hostname:
            return None
        previous = stream.status.get("previousStreamer")
    server = by_hostname.get(previous) if previous else None
    if server is None:
        return None
    has_pictures = server.offer.online and stream.active_on == previous
    return previous if server.offer.draining or has_pictures else None


def _write(
    stream: StreamObject,
    fields: dict[str, Any],
    wanted: list[Condition],
    now: datetime,
    plan: Plan,
) -> None:
    observed = stream.status.get("conditions") or []
    status = {
        "observedGeneration": stream.generation,
        "streamName": stream.stream_name,
        **fields,
        "conditions": conditions.merge(wanted, observed, stream.generation, now),
    }
    if status == dict(stream.status):
        return
    plan.statuses.append(WriteStatus("Stream", stream.namespace, stream.name, status))
    for condition in conditions.news(wanted, observed):
        # Scheduled says where, Ready how it is; Stalled repeats it.
        if condition.type in ("Ready", "ConfigAccepted"):
            plan.notes.append(_note(stream, condition))


def _moved(stream: StreamObject, move: Decision, by_hostname: Mapping[str, Server]) -> Note:
    message = f"from {move.previous} to {move.streamer}: {WORDS[move.reason]}"
    if move.previous and _is_kept(stream, by_hostname.get(move.previous)):
        message += "; what was recorded there stays on its volume"
    return Note("Stream", stream.namespace, stream.name, stream.uid, "Normal", "Moved", message)


def _note(stream: StreamObject, condition: Condition) -> Note:
    return Note(
        "Stream",
        stream.namespace,
        stream.name,
        stream.uid,
        "Warning" if condition.status == "False" else "Normal",
        condition.reason,
        condition.message,
    )
