"""Plan of the Streams of one namespace: where each runs, and what its status must say."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from media_api.play_urls import play_urls

from media_operator import conditions
from media_operator.conditions import Condition
from media_operator.objects import Snapshot, StreamObject
from media_operator.planner.actions import Note, Plan, WriteStatus
from media_operator.planner.offers import Server, seeded, servers
from media_operator.planner.placement import Assignment, Decision, StreamDemand, place
from media_operator.settings import Settings


def plan_streams(
    namespace: str, snapshot: Snapshot, settings: Settings, now: datetime, plan: Plan
) -> None:
    """Add what must be written for the Streams of `namespace` to `plan`."""
    streams = sorted(
        (s for s in snapshot.streams.values() if s.namespace == namespace),
        key=lambda stream: (stream.created, stream.name),
    )
    found_servers = servers(namespace, snapshot, settings, now, plan)
    by_hostname = {server.offer.hostname: server for server in found_servers}
    owners: dict[str, str] = {}
    for stream in streams:
        owners.setdefault(stream.stream_name, stream.name)
    sound = [stream for stream in streams if owners[stream.stream_name] == stream.name]
    current = {s.name: found for s in sound if (found := _assignment(s)) is not None}
    offers = [server.offer for server in by_hostname.values()]
    made = place([_demand(s) for s in sound], offers, current, seeded(namespace))
    decisions = {decision.stream: decision for decision in made}
    for stream in streams:
        owner = owners[stream.stream_name]
        if owner != stream.name:
            status, wanted = _conflict(stream, owner)
        else:
            status, wanted = _outcome(stream, decisions.get(stream.name), by_hostname)
        _write(stream, status, wanted, now, plan)


def _demand(stream: StreamObject) -> StreamDemand:
    return StreamDemand(
        name=stream.name,
        disabled=stream.disabled,
        streamer=stream.streamer,
        preferred=stream.preferred,
        required_labels=stream.required_labels,
        needs_gpu=stream.needs_gpu,
        bandwidth_kbit=stream.bandwidth_kbit,
    )


def _assignment(stream: StreamObject) -> Assignment | None:
    hostname = stream.status.get("streamer")
    return Assignment(hostname, stream.status.get("preferredStreamer")) if hostname else None


def _conflict(stream: StreamObject, owner: str) -> tuple[dict[str, Any], list[Condition]]:
    message = (
        f"the name {stream.stream_name!r} belongs to the older Stream {owner!r}; "
        "choose another spec.name"
    )
    return {}, [
        Condition("Ready", "False", "NameConflict", message),
        Condition("Scheduled", "False", "NameConflict", message),
        Condition("Stalled", "True", "NameConflict", message),
    ]


def _outcome(
    stream: StreamObject, decision: Decision | None, by_hostname: Mapping[str, Server]
) -> tuple[dict[str, Any], list[Condition]]:
    """Status fields and conditions of a stream after the decision on it."""
    if stream.disabled:
        return {}, [
            Condition("Ready", "True", "Disabled", "disabled: it runs nowhere, as its spec asks"),
            Condition("Scheduled", "False", "Disabled"),
        ]
    hostname = decision.streamer if decision else stream.status.get("streamer")
    if hostname is None:
        return {}, _unscheduled(decision, by_hostname)
    server = by_hostname.get(hostname)
    status: dict[str, Any] = {"streamer": hostname}
    if stream.preferred:
        status["preferredStreamer"] = stream.preferred
    leaving = _leaving(stream, hostname, by_hostname)
    if leaving:
        status["previousStreamer"] = leaving
    if server is not None:
        status["urls"] = {
            entry.form: entry.url
            for entry in play_urls(
                stream.stream_name,
                server.reach.http_url,
                server.reach.ports,
                stream.denied_protocols,
            )
        }
    if server is not None and server.offer.online:
        return status, [
            Condition("Ready", "True", "Running", f"runs on {hostname}"),
            Condition("Scheduled", "True", "Placed", f"placed on {hostname}"),
        ]
    problem = (server.problem if server else "") or "it is not ready"
    elsewhere = f"; {decision.message}" if decision and decision.message else ""
    return status, [
        Condition("Ready", "False", "StreamerNotReady", f"{hostname}: {problem}{elsewhere}"),
        Condition("Scheduled", "True", "Placed", f"placed on {hostname}"),
    ]


def _unscheduled(decision: Decision | None, by_hostname: Mapping[str, Server]) -> list[Condition]:
    message = decision.message if decision else "there is no streamer"
    problems = sorted({s.problem for s in by_hostname.values() if s.problem})
    if problems:
        message = f"{message}; {problems[0]}"
    if not by_hostname or any(server.starting for server in by_hostname.values()):
        ready = Condition("Ready", "Unknown", "WaitingForStreamer", message)
    else:
        ready = Condition("Ready", "False", "NoStreamerAvailable", message)
    return [ready, Condition("Scheduled", "False", "NoStreamerAvailable", message)]


def _leaving(stream: StreamObject, hostname: str, by_hostname: Mapping[str, Server]) -> str | None:
    """The draining streamer that runs it on until the new one has pictures: make before break."""
    previous = stream.status.get("streamer")
    if previous == hostname:
        if stream.active_on == hostname:
            return None
        previous = stream.status.get("previousStreamer")
    server = by_hostname.get(previous) if previous else None
    return previous if server is not None and server.offer.draining else None


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
    before = {c["type"]: (c["status"], c["reason"]) for c in observed}
    for condition in wanted:
        changed = before.get(condition.type) != (condition.status, condition.reason)
        if changed and condition.type != "Scheduled":
            plan.notes.append(_note(stream, condition))


def _note(stream: StreamObject, condition: Condition) -> Note:
    bad = condition.status == "False" or condition.type == "Stalled"
    return Note(
        "Stream",
        stream.namespace,
        stream.name,
        stream.uid,
        "Warning" if bad else "Normal",
        condition.reason,
        condition.message,
    )
