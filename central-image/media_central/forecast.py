"""What a change would move: the planner on a changed situation, and nothing written. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from media_api.base import JsonObject
from media_operator.planner import Decision, verdicts
from media_operator.planner.encoding import MIB, NOTHING, THOUSAND, Encoding

from media_central.placement import Situation, Standing, demand, next_layout, told
from media_central.store.port import Record

Changes = Mapping[str, Record | None]
"""The record that a name would have; None: there would be none."""


def with_streams(now: Situation, changes: Changes) -> Situation:
    """The situation with other streams; where they run is as it was."""
    streams = dict(now.streams)
    for name, record in changes.items():
        known = streams.pop(name, None)
        if record is not None:
            streams[name] = replace(record, layout=known.layout if known else record.layout)
    return replace(now, streams=streams)


def with_streamers(now: Situation, changes: Changes) -> Situation:
    """The situation with other streamers; one that would be new is taken to be online."""
    streamers = dict(now.streamers)
    for name, record in changes.items():
        streamers.pop(name, None)
        if record is not None:
            streamers[name] = record

    def standing(hostname: str) -> Standing:
        known = hostname in now.streamers
        return now.standing(hostname) if known else Standing(alive=True, known=True)

    return replace(now, streamers=streamers, standing=standing)


def moves(then: Situation, now_ms: int) -> list[JsonObject]:
    """The layout of each stream that would move."""
    return layouts_of(then, then.plan(Random(0)), now_ms)


def layouts_of(
    then: Situation, decisions: list[Decision], now_ms: int, originator: str = "layouter"
) -> list[JsonObject]:
    """What decisions would write; each streamer's verdict is that of then."""
    found: list[JsonObject] = []
    offers, ingests = then.offers(), then.after(decisions)
    load, hostnames = then.load(ingests), {one.hostname for one in offers}
    for decision in decisions:
        record = then.streams[decision.stream]
        layout = next_layout(record, decision, now_ms, originator)
        if layout == record.layout:
            continue
        shown = {
            key: value
            for key, value in (layout or {}).items()
            if key not in ("ingest_history", "preferred", "leaving")
        }
        shown.setdefault("change_reason", str(decision.reason))
        stream, ingest = demand(record), ingests.get(record.key)
        if ingest in hostnames:
            load.remove(stream, ingest)
        shown["node_layout_decisions"] = told(verdicts(stream, offers, load))
        if ingest in hostnames:
            load.add(stream, ingest)
        shown |= _shown("encoding", stream.encoding)
        found.append({"name": decision.stream, **shown})
    return found


def counts(now: Situation, decisions: list[Decision], then: Situation) -> list[JsonObject]:
    """Streams of each streamer before and after, those of removed streamers too."""
    before, after = now.counts(), then.counts()
    for decision in decisions:
        if decision.previous is not None:
            after[decision.previous] = after.get(decision.previous, 0) - 1
        if decision.streamer is not None:
            after[decision.streamer] = after.get(decision.streamer, 0) + 1
    loads = now.load(now.ingests()), then.load(then.after(decisions))
    limits = {one.hostname: one.encoding for one in then.offers()}
    return [
        {
            "hostname": hostname,
            "role": "ingest",
            "before": before.get(hostname, 0),
            "after": after.get(hostname, 0),
            "delta": after.get(hostname, 0) - before.get(hostname, 0),
            **_shown("encoding_before", loads[0].encoding(hostname)),
            **_shown("encoding_after", loads[1].encoding(hostname)),
            **_shown("encoding_limit", limits.get(hostname, NOTHING)),
        }
        for hostname in sorted(now.streamers.keys() | then.streamers.keys())
    ]


def _shown(name: str, encoding: Encoding) -> JsonObject:
    """As `media_central.models.layouts.Encoding`; nothing of what is not known or not taken."""
    figures = {
        "cpu": encoding.millicores / THOUSAND,
        "gpu": encoding.gpu_permille / THOUSAND,
        "gpu_sessions": encoding.sessions,
        "gpu_memory": encoding.gpu_mib * MIB,
    }
    shown = {key: value for key, value in figures.items() if value}
    return {name: shown} if shown else {}
