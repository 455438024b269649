"""Records as the planner sees them, and its decisions as layouts. Pure.

`Situation` is everything that placement depends on at one moment; the layouter plans with it and
writes, a preview plans with a changed one and only tells.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from media_api.base import JsonObject
from media_operator.planner import (
    Assignment,
    ChangeReason,
    Decision,
    Load,
    StreamDemand,
    StreamerOffer,
    choose_backups,
    place,
    rebalance,
    verdicts,
)
from media_operator.planner.encoding import MIB, THOUSAND, Encoding, encoding_by_gpu, encoding_of
from media_operator.planner.placement import DEFAULT_CHANNEL_LIMIT

from media_central.capacity import capacity_kbit
from media_central.store.port import Record

HISTORY_LENGTH = 5
DVR_FULL_PERCENT = 97
MAX_MOVES = 1000
"""Of one rebalancing: ask again for more."""
PUBLISHED_REASONS: Mapping[str, str] = {
    ChangeReason.NEW: "not_distributed",
    ChangeReason.DRAINING: "relayout_by_api",
    ChangeReason.GPU: "not_distributed",
    ChangeReason.BALANCE: "relayout_by_api",
}
"""What the planner calls differently from the API."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a streamer now. `known`: it was heard of since Central started."""

    alive: bool = False
    known: bool = False
    stats: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """Streams and streamers by name, and how the streamers are doing."""

    streams: Mapping[str, Record]
    streamers: Mapping[str, Record]
    standing: Callable[[str], Standing]

    def offers(self) -> list[StreamerOffer]:
        """The streamers that run streams."""
        placed = self.counts()
        return [
            offer(record, self.standing(name), placed.get(name, 0))
            for name, record in self.streamers.items()
            if record.config.get("role", "streamer") == "streamer"
        ]

    def counts(self) -> dict[str, int]:
        """Streams by the streamer that they are placed on."""
        placed: dict[str, int] = {}
        for hostname in self.ingests().values():
            placed[hostname] = placed.get(hostname, 0) + 1
        return placed

    def ingests(self) -> dict[str, str]:
        """The streamer of each stream that has one."""
        return {
            name: record.layout["ingest"]
            for name, record in self.streams.items()
            if record.layout and record.layout.get("ingest")
        }

    def current(self) -> dict[str, Assignment]:
        """The same as the planner takes it."""
        return {
            name: Assignment(hostname, (self.streams[name].layout or {}).get("preferred"))
            for name, hostname in self.ingests().items()
        }

    def plan(self, random: Random) -> list[Decision]:
        """What must change of where streams run."""
        offers = self.offers()
        # One that has not been heard of since the start may still be there: it keeps its streams,
        # but only one that is known to be online is a reason to move any.
        if any(one.online and self.standing(one.hostname).known for one in offers):
            demands = [demand(record) for record in self.streams.values()]
            return place(demands, offers, self.current(), random)
        return _nothing_online(self.streams.values(), offers)

    def rebalance(self, at_most: int = MAX_MOVES) -> list[Decision]:
        """What could change, so that all have the same share of their limit in use."""
        demands = [demand(record) for record in self.streams.values()]
        return rebalance(demands, self.offers(), self.current(), at_most)

    def backups(self, ingests: Mapping[str, str], random: Random) -> dict[str, list[str]]:
        """Further copies of archives that change, when streams run on `ingests`."""
        wanted = {
            name: factor
            for name, record in self.streams.items()
            if (factor := (record.config.get("dvr") or {}).get("redundancy_factor"))
        }
        now = {
            name: record.layout["dvr_backups"]
            for name, record in self.streams.items()
            if record.layout and record.layout.get("dvr_backups")
        }
        if not wanted and not now:
            return {}
        demands = {name: demand(self.streams[name]) for name in wanted.keys() | now.keys()}
        return choose_backups(wanted, demands, self.offers(), ingests, now, random)

    def load(self, ingests: Mapping[str, str]) -> Load:
        """What streams take where `ingests` has them, of the streamers that there are."""
        offers = {one.hostname: one for one in self.offers()}
        load = Load(offers)
        for name, hostname in ingests.items():
            if hostname in offers:
                load.add(demand(self.streams[name]), hostname)
        return load

    def after(self, decisions: Iterable[Decision]) -> dict[str, str]:
        """The streamer of each stream that has one, once the decisions are carried out."""
        ingests: dict[str, str | None] = dict(self.ingests())
        ingests |= {decision.stream: decision.streamer for decision in decisions}
        return {name: hostname for name, hostname in ingests.items() if hostname}

    def verdicts(self, stream: Record) -> list[JsonObject]:
        """Why each streamer could or could not run a stream: `node_layout_decisions`."""
        others = {name: at for name, at in self.ingests().items() if name != stream.key}
        return told(verdicts(demand(stream), self.offers(), self.load(others)))


def told(found: Iterable[tuple[str, ChangeReason | None]]) -> list[JsonObject]:
    """Verdicts of streamers as the API has them."""
    return [
        {
            "hostname": hostname,
            "role": "streamer",
            "node_decision": reason is None,
            "reasons": [_DECISION_WORDS.get(reason, str(reason))] if reason else [],
        }
        for hostname, reason in found
    ]


_DECISION_WORDS: Mapping[ChangeReason, str] = {
    ChangeReason.OFFLINE: "node_offline",
    ChangeReason.DRAINING: "node_offline",
    ChangeReason.PINNED: "stream_misses_node_required_labels",
    ChangeReason.CPU: "node_channel_limit_exceeded",
    ChangeReason.CORES: "node_channel_limit_exceeded",
    ChangeReason.ENCODERS: "node_not_available_for_transcoding",
    ChangeReason.SESSIONS: "node_not_available_for_transcoding",
    ChangeReason.GPU_MEMORY: "node_not_available_for_transcoding",
}
"""Reasons of a verdict where clients know another word for it."""


MAX_REMEMBERED = 100_000
_demands: dict[str, tuple[JsonObject, StreamDemand]] = {}
"""By stream, with the configuration that it was made of: a plan and the answer to each PUT ask for
that of all streams, 9 us each."""


def demand(record: Record) -> StreamDemand:
    """What a stream asks of its streamer."""
    known = _demands.get(record.key)
    if known is not None and known[0] is record.config:
        return known[1]
    if len(_demands) >= MAX_REMEMBERED:
        _demands.clear()
    made = _demand(record)
    _demands[record.key] = record.config, made
    return made


class Concerns:
    """What placement depends on of each stream: a new title is no reason to plan 10,000 anew."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[StreamDemand, JsonObject | None, Any]] = {}

    def changed(self, name: str, record: Record | None) -> bool:
        """Whether that differs from the last time; `record` None: the stream is gone."""
        if record is None:
            self._known.pop(name, None)
            return True
        copies = (record.config.get("dvr") or {}).get("redundancy_factor")
        now = demand(record), record.layout, copies
        before, self._known[name] = self._known.get(name), now
        return now != before


def _demand(record: Record) -> StreamDemand:
    config = record.config
    transcoder = config.get("transcoder") or {}
    hardware = (transcoder.get("global") or {}).get("hw", "cpu")
    return StreamDemand(
        name=record.key,
        disabled=bool(config.get("disabled", False)),
        streamer=config.get("streamer"),
        preferred=config.get("preferred_streamer")
        or (config.get("cluster_ingest") or {}).get("capture_at"),
        required_labels=config.get("streamer_selector") or {},
        needs_gpu=bool(config.get("gpu")) or str(hardware).startswith("nvenc"),
        bandwidth_kbit=(config.get("claims") or {}).get("bitrate") or 0,
        namespace=config.get("namespace") or "",
        records=bool(config.get("dvr")),
        encoding=encoding_of(transcoder, config.get("claims") or {}),
        encoding_by_gpu=encoding_by_gpu(transcoder, config.get("claims") or {}),
    )


def offer(record: Record, standing: Standing, placed: int) -> StreamerOffer:
    """What a streamer can take; `placed`: streams that it has now."""
    config = record.config
    limit = config.get("channel_limit")
    limit = DEFAULT_CHANNEL_LIMIT if limit is None else limit
    return StreamerOffer(
        hostname=record.key,
        online=standing.alive and (standing.known or placed > 0),
        draining=bool(config.get("draining", False)),
        labels=config.get("labels") or {},
        has_gpu=bool(config.get("gpu", bool(standing.stats.get("transcoder_devices")))),
        channel_limit=limit,
        bandwidth_kbit=capacity_kbit(config, standing.stats),
        namespace=config.get("namespace") or "",
        takes_none=_takes_none(record, standing),
        dvr_full=_dvr_full(standing.stats),
        encoding=_capacity(config, standing.stats),
    )


def _capacity(config: JsonObject, stats: JsonObject) -> Encoding:
    """What a streamer has for transcoders, as its record says or it tells itself."""
    cores = config.get("cpu_cores")
    cores = stats.get("cpu_cores") if cores is None else cores
    devices = stats.get("transcoder_devices")
    cards = [one for one in devices if isinstance(one, dict)] if isinstance(devices, list) else []
    memory = [one.get("memTotal") for one in cards]
    return Encoding(
        round(cores * THOUSAND) if isinstance(cores, int | float) else 0,
        THOUSAND * len(cards),
        int(config.get("gpu_sessions") or 0),
        sum(size for size in memory if isinstance(size, int)) // MIB,
    )


def _takes_none(record: Record, standing: Standing) -> ChangeReason | None:
    # Not heard of since Central started: what is there stays, nothing is added.
    if not standing.known:
        return ChangeReason.OFFLINE
    return ChangeReason.CPU if over_cpu_limit(record, standing.stats) else None


def over_cpu_limit(record: Record, stats: JsonObject) -> bool:
    """Whether the streamer is busier than its record allows."""
    limit, usage = record.config.get("cpu_limit"), stats.get("cpu_usage")
    return limit is not None and isinstance(usage, int | float) and usage > limit


def _dvr_full(stats: JsonObject) -> bool:
    partitions = stats.get("partitions")
    if not isinstance(partitions, list) or not partitions:
        return False
    usages = [item.get("usage") for item in partitions if isinstance(item, dict)]
    return all(isinstance(usage, int) and usage >= DVR_FULL_PERCENT for usage in usages)


def _nothing_online(records: Iterable[Record], offers: Sequence[StreamerOffer]) -> list[Decision]:
    """Disabled streams are still cleared; the homeless are told why."""
    decisions = []
    why = "no streamer is online" if offers else "there is no streamer: connect one"
    for record in records:
        ingest = (record.layout or {}).get("ingest")
        if record.config.get("disabled"):
            if ingest:
                decisions.append(Decision(record.key, None, ingest, ChangeReason.DISABLED))
        elif not ingest:
            decisions.append(Decision(record.key, None, None, ChangeReason.NEW, why))
    return decisions


def next_layout(
    record: Record, decision: Decision, now_ms: int, originator: str = "layouter"
) -> JsonObject | None:
    """The layout after a decision; equal to the present one where nothing changes."""
    before = dict(record.layout or {})
    if decision.streamer is None and decision.reason is ChangeReason.DISABLED:
        return None
    if decision.streamer == before.get("ingest") and decision.message == before.get("message", ""):
        return record.layout
    if decision.streamer == before.get("ingest") and decision.streamer is not None:
        return {**before, "message": decision.message}
    layout: JsonObject = {
        "created_at": now_ms,
        "originator": originator,
        "change_reason": PUBLISHED_REASONS.get(decision.reason, str(decision.reason)),
    }
    if decision.streamer is not None:
        layout["ingest"] = decision.streamer
    if decision.message:
        layout["message"] = decision.message
    preferred = demand(record).preferred
    if preferred:
        layout["preferred"] = preferred
    if before.get("dvr_backups"):
        layout["dvr_backups"] = before["dvr_backups"]
    lost = decision.reason in (ChangeReason.OFFLINE, ChangeReason.DELETED)
    if decision.streamer and decision.previous and not lost:
        # It serves its viewers until the new one has frames, and then what it gets from there.
        layout["leaving"] = decision.previous
    origin = before.get("failover_from")
    if decision.reason is ChangeReason.OFFLINE and decision.previous:
        origin = origin or decision.previous
    if origin and origin != decision.streamer:
        layout["failover_from"] = origin
    history = _history(before)
    if history:
        layout["ingest_history"] = history
    return layout


def _history(before: JsonObject) -> list[JsonObject]:
    history = list(before.get("ingest_history") or [])
    if before.get("ingest"):
        past = {key: before[key] for key in ("created_at", "ingest", "originator") if key in before}
        history = [past, *history][:HISTORY_LENGTH]
    return history
