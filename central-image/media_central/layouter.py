"""Which streamer runs which stream: the shared planner, fed from the store and the fleet.

Runs at once after anything that matters has changed (10,000 streams take a tenth of a second, in
which nobody else is answered: a title does not matter), and on a timer for what nobody announces (a
streamer that fell silent). The decision is `media_operator.planner`, pure functions, so that
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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from media_api.base import JsonObject
from media_operator.planner import ChangeReason, Decision

from media_central.placement import Concerns, Situation, Standing, next_layout, over_cpu_limit
from media_central.store.port import (
    ConditionError,
    Kind,
    Record,
    ResourceStore,
    StoreUnavailableError,
)
from media_central.streamers.fleet import Fleet

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.02
"""Changes that come together (a batch, a start) are planned together."""
LIVENESS_CHECK_SECONDS = 1.0
CONFLICT_SECONDS = 0.25
"""Until the next round after one that others were in the way of."""
MAX_LOGGED = 50
"""Streams of one round that are logged by name; a failover of thousands is one line."""
MANUAL_ATTEMPTS = 5
"""Of a change by hand, while others change the same streams."""
Layouts = dict[str, tuple[int, JsonObject | None]]
"""By stream: the version that was read, and the new layout."""


class Layouter:
    """`start()`, `close()`; `on_layout` is told each written change (name, layout)."""

    def __init__(
        self,
        store: ResourceStore,
        fleet: Fleet,
        *,
        interval: float,
        on_layout: Callable[[str, JsonObject], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._interval = interval
        self._on_layout = on_layout
        self._starting: frozenset[str] = frozenset()
        self._random = rng or random.Random()
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._standing: tuple[Any, ...] = ()

    async def start(self, starting: frozenset[str] = frozenset()) -> None:
        """`starting` are streamers that were just started: streams are placed on them before they
        have answered, so that they find them at their first question."""
        self._starting = starting
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
        concerns = Concerns()
        for record in self._store.all(Kind.STREAM):
            concerns.changed(record.key, record)
        with self._store.watch() as watch:
            while True:
                for kind, key in await watch.next():
                    if kind is not Kind.STREAM or concerns.changed(key, self._store.get(kind, key)):
                        self._wake.set()

    async def _follow_fleet(self) -> None:
        while True:
            standing = tuple(
                (record.key, *self._signs_of(record))
                for record in sorted(self._store.all(Kind.STREAMER), key=lambda item: item.key)
            )
            if standing != self._standing:
                self._standing = standing
                self._wake.set()
            await asyncio.sleep(LIVENESS_CHECK_SECONDS)

    def _signs_of(self, record: Record) -> tuple[bool, bool, bool]:
        standing = standing_of(self._fleet, record)
        return standing.alive, standing.known, over_cpu_limit(record, standing.stats)

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

    def situation(self) -> Situation:
        """All that placement depends on, as it is now."""
        return situation_of(self._store, self._fleet, self._starting)

    async def round(self) -> list[str]:
        """Plans and writes once; returns the streams whose layout was changed.

        Raises StoreUnavailableError.
        """
        now = self.situation()
        decisions = now.plan(self._random)
        layouts = _without_old_messages(now.streams, decisions)
        layouts |= _decided(now.streams, decisions)
        _add_backups(now, layouts, self._random)
        return await self._write(layouts)

    async def rebalance(self) -> list[Decision]:
        """Evens the load now. Raises StoreUnavailableError."""
        now = self.situation()
        decisions = now.rebalance()
        layouts = _decided(now.streams, decisions, "other")
        _add_backups(now, layouts, self._random)
        written = set(await self._write(layouts))
        return [decision for decision in decisions if decision.stream in written]

    async def assign(self, wanted: Mapping[str, str]) -> None:
        """Places streams by hand, all or none; that they may be there was looked at before.

        Raises ConditionError where others change them all the time, StoreUnavailableError.
        """
        for _ in range(MANUAL_ATTEMPTS):
            now = self.situation()
            decisions = [
                Decision(name, hostname, now.ingests().get(name), ChangeReason.PINNED)
                for name, hostname in wanted.items()
            ]
            layouts = _decided(now.streams, decisions, "other")
            if len(await self._write(layouts, whole=True)) == len(layouts):
                return
        raise ConditionError("others change these streams all the time")

    async def _write(self, layouts: Layouts, *, whole: bool = False) -> list[str]:
        written = await self._store.set_layouts(layouts, whole=whole)
        if len(written) < len(layouts):
            # The others were changed meanwhile, maybe in what would not make us plan again.
            asyncio.get_running_loop().call_later(CONFLICT_SECONDS, self._wake.set)
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


def situation_of(
    store: ResourceStore, fleet: Fleet, starting: frozenset[str] = frozenset()
) -> Situation:
    """All that placement depends on, as it is now."""
    streamers = {record.key: record for record in store.all(Kind.STREAMER)}

    def standing(hostname: str) -> Standing:
        record = streamers.get(hostname)
        return Standing() if record is None else standing_of(fleet, record, starting)

    streams = {record.key: record for record in store.all(Kind.STREAM)}
    return Situation(streams, streamers, standing)


def standing_of(fleet: Fleet, record: Record, starting: frozenset[str] = frozenset()) -> Standing:
    """How a streamer is doing."""
    link = fleet.link(record.key)
    return Standing(
        alive=fleet.is_alive(record),
        known=record.key in starting or (link is not None and link.ever_online),
        stats=link.observed.stats if link is not None and link.observed else {},
    )


def _decided(
    records: Mapping[str, Record], decisions: Sequence[Decision], originator: str = "layouter"
) -> Layouts:
    """The layouts that decisions change."""
    now_ms = round(time.time() * 1000)
    layouts: Layouts = {}
    for decision in decisions:
        record = records.get(decision.stream)
        if record is None:
            continue
        layout = next_layout(record, decision, now_ms, originator)
        if layout != (record.layout or None):
            layouts[decision.stream] = (record.version, layout)
    return layouts


def _add_backups(now: Situation, layouts: Layouts, rng: random.Random) -> None:
    """Puts further copies of archives into the layouts that are about to be written."""
    ingests = now.ingests()
    for name, (_, layout) in layouts.items():
        if layout and layout.get("ingest"):
            ingests[name] = layout["ingest"]
        else:
            ingests.pop(name, None)
    for name, hostnames in now.backups(ingests, rng).items():
        record = now.streams[name]
        layout = layouts[name][1] if name in layouts else record.layout
        if layout is None:
            continue
        layout = {key: value for key, value in layout.items() if key != "dvr_backups"}
        if hostnames:
            layout["dvr_backups"] = hostnames
        layouts[name] = (record.version, layout)


def _without_old_messages(records: Mapping[str, Record], decisions: Sequence[Decision]) -> Layouts:
    """A streamer that came back: its streams' layouts lose the words about its absence."""
    decided = {decision.stream for decision in decisions}
    return {
        name: (record.version, {key: value for key, value in layout.items() if key != "message"})
        for name, record in records.items()
        if name not in decided
        and (layout := record.layout or {}).get("ingest")
        and "message" in layout
    }
