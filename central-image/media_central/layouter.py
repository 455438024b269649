"""Which streamer runs which stream: the shared planner, fed from the store and the fleet.

Runs at once after anything that matters has changed, and on a timer for what nobody announces (a
streamer that fell silent). The decision is `media_operator.planner.place`, a pure function, so that
streams are placed alike with and without Kubernetes; here is only its glue.

Invariants: decisions are written under the version that was read, so that a concurrent edit or a
second Central never loses anything (the next round sees it); while no streamer is known to be
online, nothing is changed.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from media_api.base import JsonObject
from media_operator.planner import (
    Assignment,
    ChangeReason,
    Decision,
    StreamDemand,
    StreamerOffer,
    place,
)
from media_operator.planner.placement import DEFAULT_CHANNEL_LIMIT

from media_central.store.port import Kind, Record, ResourceStore, StoreUnavailableError
from media_central.streamers.fleet import Fleet
from media_central.streamers.link import StreamerLink

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.02
"""Changes that come together (a batch, a start) are planned together."""
LIVENESS_CHECK_SECONDS = 1.0
HISTORY_LENGTH = 5
MAX_LOGGED = 50
"""Streams of one round that are logged by name; a failover of thousands is one line."""
_NAMESPACE = "\0namespace"  # no label can have this name


class Layouter:
    """`start()`, `close()`; `on_layout` is told each written change (name, layout).

    `starting` are streamers that were just started: streams are placed on them before they have
    answered, so that they find them at their first question.
    """

    def __init__(
        self,
        store: ResourceStore,
        fleet: Fleet,
        *,
        interval: float,
        on_layout: Callable[[str, JsonObject], None] | None = None,
        starting: frozenset[str] = frozenset(),
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._interval = interval
        self._on_layout = on_layout
        self._starting = starting
        self._random = rng or random.Random()
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._standing: tuple[Any, ...] = ()

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._run(), name="layouter"),
            asyncio.create_task(self._follow_store(), name="layouter-store"),
            asyncio.create_task(self._follow_fleet(), name="layouter-fleet"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _follow_store(self) -> None:
        with self._store.watch() as watch:
            while True:
                await watch.next()
                self._wake.set()

    async def _follow_fleet(self) -> None:
        while True:
            standing = tuple(
                (record.key, *self._standing_of(record))
                for record in sorted(self._store.all(Kind.STREAMER), key=lambda item: item.key)
            )
            if standing != self._standing:
                self._standing = standing
                self._wake.set()
            await asyncio.sleep(LIVENESS_CHECK_SECONDS)

    def _standing_of(self, record: Record) -> tuple[bool, bool, bool]:
        link = self._fleet.link(record.key)
        ever = link is not None and link.ever_online
        return self._fleet.is_alive(record), ever, _over_cpu_limit(record, link)

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
            except StoreUnavailableError as error:
                log.warning("placement waits: %s", error)
            except Exception:
                log.exception("placement failed; the next round tries again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wake.wait()
                await asyncio.sleep(SETTLE_SECONDS)
            self._wake.clear()

    async def round(self) -> list[str]:
        """Plans and writes once; returns the streams whose layout was changed.

        Raises StoreUnavailableError.
        """
        records = {record.key: record for record in self._store.all(Kind.STREAM)}
        offers = self._offers(records)
        decisions = []
        # One that has not been heard of since the start may still be there: it keeps its streams,
        # but only one that is known to be online is a reason to move any.
        if any(offer.online and self._is_known(offer.hostname) for offer in offers):
            current = {
                name: Assignment(record.layout["ingest"], record.layout.get("preferred"))
                for name, record in records.items()
                if record.layout and record.layout.get("ingest")
            }
            demands = [_demand(record) for record in records.values()]
            decisions = place(demands, offers, current, self._random)
        else:
            decisions = _nothing_online(records.values(), offers)
        return await self._write(records, decisions)

    def _is_known(self, hostname: str) -> bool:
        link = self._fleet.link(hostname)
        return hostname in self._starting or (link is not None and link.ever_online)

    async def _write(
        self, records: Mapping[str, Record], decisions: Sequence[Decision]
    ) -> list[str]:
        layouts = _without_old_messages(records, decisions)
        now_ms = round(time.time() * 1000)
        for decision in decisions:
            record = records[decision.stream]
            layout = next_layout(record, decision, now_ms)
            if layout != (record.layout or None):
                layouts[decision.stream] = (record.version, layout)
        written = await self._store.set_layouts(layouts)
        each = logging.INFO if len(written) <= MAX_LOGGED else logging.DEBUG
        if each == logging.DEBUG:
            log.info("%d streams placed anew", len(written))
        for name in written:
            layout = layouts[name][1] or {}
            target = layout.get("ingest") or "nowhere"
            reason = layout.get("change_reason")
            message = f" {layout['message']}" if layout.get("message") else ""
            log.log(each, "stream %s -> %s (%s)%s", name, target, reason, message)
            if self._on_layout is not None:
                self._on_layout(name, layout)
        return list(written)

    def _offers(self, records: Mapping[str, Record]) -> list[StreamerOffer]:
        placed: dict[str, int] = {}
        for record in records.values():
            ingest = (record.layout or {}).get("ingest")
            if ingest:
                placed[ingest] = placed.get(ingest, 0) + 1
        return [
            _offer(
                record,
                self._fleet.link(record.key),
                placed,
                alive=self._fleet.is_alive(record),
                known=self._is_known(record.key),
            )
            for record in self._store.all(Kind.STREAMER)
            if record.config.get("role", "streamer") == "streamer"
        ]


def _without_old_messages(
    records: Mapping[str, Record], decisions: Sequence[Decision]
) -> dict[str, tuple[int, JsonObject | None]]:
    """A streamer that came back: its streams' layouts lose the words about its absence."""
    decided = {decision.stream for decision in decisions}
    return {
        name: (record.version, {key: value for key, value in layout.items() if key != "message"})
        for name, record in records.items()
        if name not in decided
        and (layout := record.layout or {}).get("ingest")
        and "message" in layout
    }


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
        required_labels={
            **(config.get("streamer_selector") or {}),
            _NAMESPACE: config.get("namespace") or "",
        },
        needs_gpu=bool(config.get("gpu")) or str(hardware).startswith("nvenc"),
        bandwidth_kbit=(config.get("claims") or {}).get("bitrate") or 0,
    )


def _offer(
    record: Record,
    link: StreamerLink | None,
    placed: Mapping[str, int],
    *,
    alive: bool,
    known: bool,
) -> StreamerOffer:
    config = record.config
    stats: JsonObject = link.observed.stats if link is not None and link.observed else {}
    limit = config.get("channel_limit")
    limit = DEFAULT_CHANNEL_LIMIT if limit is None else limit
    # Not heard of since Central started, or too busy: what is there stays, nothing is added.
    if not known or _over_cpu_limit(record, link):
        limit = min(limit, placed.get(record.key, 0))
    return StreamerOffer(
        hostname=record.key,
        online=alive and (known or placed.get(record.key, 0) > 0),
        draining=bool(config.get("draining", False)),
        labels={**(config.get("labels") or {}), _NAMESPACE: config.get("namespace") or ""},
        has_gpu=bool(config.get("gpu", bool(stats.get("transcoder_devices")))),
        channel_limit=limit,
        bandwidth_kbit=config.get("total_bandwidth") or 0,
    )


def _over_cpu_limit(record: Record, link: StreamerLink | None) -> bool:
    limit = record.config.get("cpu_limit")
    usage = link.observed.stats.get("cpu_usage") if link is not None and link.observed else None
    return limit is not None and isinstance(usage, int | float) and usage > limit


def next_layout(record: Record, decision: Decision, now_ms: int) -> JsonObject | None:
    """The layout after a decision; equal to the present one where nothing changes. Pure."""
    before = dict(record.layout or {})
    if decision.streamer is None and decision.reason is ChangeReason.DISABLED:
        return None
    if decision.streamer == before.get("ingest") and decision.message == before.get("message", ""):
        return record.layout
    if decision.streamer == before.get("ingest") and decision.streamer is not None:
        return {**before, "message": decision.message}
    layout: JsonObject = {
        "created_at": now_ms,
        "originator": "layouter",
        "change_reason": str(decision.reason),
    }
    if decision.streamer is not None:
        layout["ingest"] = decision.streamer
    if decision.message:
        layout["message"] = decision.message
    preferred = _demand(record).preferred
    if preferred:
        layout["preferred"] = preferred
    origin = before.get("failover_from")
    if decision.reason is ChangeReason.OFFLINE and decision.previous:
        origin = origin or decision.previous
    if origin and origin != decision.streamer:
        layout["failover_from"] = origin
    history = list(before.get("ingest_history") or [])
    if before.get("ingest"):
        past = {key: before[key] for key in ("created_at", "ingest", "originator") if key in before}
        history = [past, *history][:HISTORY_LENGTH]
    if history:
        layout["ingest_history"] = history
    return layout
