"""One event sink: a bounded queue and the task that empties it, in order, at least once.

The next batch leaves when the last one was taken. A batch that was not taken is sent again after
`resend_timeout`. While a receiver is away what waits is kept on disk (`backlog`), where the server
has one for it, also over a restart; it is given everything from there once it is back. Beyond
`resend_limit`, or what disk and memory may take, the oldest events are dropped and counted. A
receiver that is away is one log line, its return another.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from typing import Any, Protocol

from media_api.events import EventSinkConfig

from media_streamer.supervisor.events.backlog import Backlog

log = logging.getLogger(__name__)

BATCH_EVENTS = 100
RESEND_SECONDS = 10.0
MEMORY_EVENTS = 10_000
"""About 6 MB of events: all that wait without a disk, else what comes during an attempt."""
KEEP_SECONDS = 1.0
"""How long what happened is in memory only while a receiver is away."""
CLOSE_SECONDS = 2.0
"""What is left at the end of the server may take this long."""

Event = dict[str, Any]


class DeliveryError(Exception):
    """The batch was not taken; the text says why, without secrets."""


class Delivery(Protocol):
    async def deliver(self, batch: list[Event]) -> None:
        """Hand over a batch, within a time of its own. Raises DeliveryError."""


class EventSink:
    """Owns its task from the beginning to `close` or `end`."""

    def __init__(
        self, config: EventSinkConfig, delivery: Delivery, backlog: Backlog | None = None
    ) -> None:
        """`backlog`: where events wait on disk."""
        self.config = config
        self.problem = ""
        """Why the last attempt failed; empty while all goes well."""
        self._delivery = delivery
        self._backlog = backlog
        self._disk_problem = ""
        self.recent: deque[Event] = deque(maxlen=BATCH_EVENTS)
        """What it was given last, for people who ask."""
        self._waiting: deque[Event] = deque()
        """In memory: what came after all that waits on disk."""
        self._limit = None if config.resend_limit is None else max(config.resend_limit, 1)
        self._resend_seconds = float(config.resend_timeout or RESEND_SECONDS)
        self._throttle_seconds = float(config.throttle_delay or 0.0)
        self._news = asyncio.Event()
        self._full = asyncio.Event()
        self._delivering = asyncio.Lock()
        self._resent = self._dropped = 0
        self._task = asyncio.create_task(self._run(), name=f"event sink {config.name}")

    def put(self, event: Event) -> None:
        """Queue an event; the oldest one gives way when the queue is full."""
        if len(self._waiting) >= min(self._limit or MEMORY_EVENTS, MEMORY_EVENTS):
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(event)
        self.recent.append(event)
        self._news.set()
        if len(self._waiting) >= BATCH_EVENTS:
            self._full.set()

    def counters(self) -> dict[str, int]:
        return {"resent_events": self._resent, "dropped_events": self._dropped}

    def end(self) -> list[Event]:
        """End now; returns what was not delivered and is not on disk, for a successor."""
        self._task.cancel()
        rest = list(self._waiting)
        self._waiting.clear()
        return rest

    async def close(self) -> None:
        """End the task; what waits has one attempt within CLOSE_SECONDS, what is on its way is
        not sent twice. The rest is kept for the next run, if there is a disk for it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS), self._delivering:
                self._task.cancel()
                while self._waiting and not self.problem:
                    await self._deliver_one()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._keep()
        if self._backlog is not None and (kept := len(self._backlog)):
            log.info("event sink %s: %d events wait for the next start", self.config.name, kept)
        self._drop_rest()

    def _drop_rest(self) -> None:
        if self._waiting:
            log.warning(
                "event sink %s: %d events were not delivered", self.config.name, len(self._waiting)
            )
            self._dropped += len(self._waiting)
            self._waiting.clear()

    async def _run(self) -> None:
        await self._load()
        while True:
            await self._news.wait()
            await self._collect()
            async with self._delivering:
                await self._deliver_one()
            if self.problem:
                await self._rest()

    async def _load(self) -> None:
        """What waits on disk since an earlier run is news."""
        if self._backlog is None:
            return
        try:
            count = await asyncio.to_thread(self._backlog.load)
        except OSError as error:
            self._disk_failed(error)
            return
        if count:
            log.info("event sink %s: %d events wait since the last run", self.config.name, count)
            self._news.set()

    async def _rest(self) -> None:
        """Until the next attempt; what comes meanwhile is kept on disk."""
        until = time.monotonic() + self._resend_seconds
        while (left := until - time.monotonic()) > 0:
            await self._keep()
            await asyncio.sleep(min(left, KEEP_SECONDS))

    async def _keep(self) -> None:
        """Move what waits in memory to the disk; it stays in memory if the disk fails."""
        if self._backlog is None or not self._waiting:
            return
        batch = list(self._waiting)
        try:
            self._dropped += await asyncio.to_thread(self._backlog.append, batch, self._limit)
        except OSError as error:
            self._disk_failed(error)
            return
        if self._disk_problem:
            log.info("event sink %s: events are kept on disk again", self.config.name)
            self._disk_problem = ""
        self._forget(batch)

    def _disk_failed(self, error: OSError) -> None:
        problem = error.strerror or str(error)
        if not self._disk_problem:
            log.error(
                "event sink %s: events cannot be kept on disk (%s): at most %d are, in memory",
                self.config.name,
                problem,
                MEMORY_EVENTS,
            )
        self._disk_problem = problem

    async def _collect(self) -> None:
        """Wait for more events, so that many small requests become one."""
        if self._throttle_seconds and not self.problem:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._throttle_seconds):
                    await self._full.wait()

    async def _deliver_one(self) -> None:
        batch, is_kept = await self._next_batch()
        if not batch:
            if self._disk_problem:
                self._failed(f"events on disk cannot be read: {self._disk_problem}")
            self._calm()
            return
        if self.problem:
            self._resent += len(batch)
        try:
            await self._delivery.deliver(batch)
        except DeliveryError as error:
            self._failed(str(error))
            return
        if is_kept:
            await self._take()
        else:
            self._dropped -= len(batch) - self._forget(batch)
        self._calm()
        if self.problem:
            log.info("event sink %s: events are taken again", self.config.name)
            self.problem = ""

    async def _next_batch(self) -> tuple[list[Event], bool]:
        """The oldest events, and whether they come from the disk."""
        if self._backlog is not None and len(self._backlog):
            await self._keep()  # behind what is there
            try:
                found = await asyncio.to_thread(self._backlog.read, BATCH_EVENTS)
            except OSError as error:
                self._disk_failed(error)
            else:
                if found:
                    return found, True
        return list(itertools.islice(self._waiting, BATCH_EVENTS)), False

    async def _take(self) -> None:
        """What was read from the disk is delivered."""
        assert self._backlog is not None
        try:
            await asyncio.to_thread(self._backlog.take)
        except OSError as error:
            self._disk_failed(error)

    def _forget(self, batch: list[Event]) -> int:
        """`batch` waits in memory no longer; returns how much of it did still."""
        last, found = batch[-1]["event_id"], 0
        while self._waiting and self._waiting[0]["event_id"] <= last:
            self._waiting.popleft()
            found += 1
        return found

    def _calm(self) -> None:
        """Nothing to do until there is news, if nothing waits."""
        if not self._waiting and not (self._backlog is not None and len(self._backlog)):
            self._news.clear()
        if len(self._waiting) < BATCH_EVENTS:
            self._full.clear()

    def _failed(self, problem: str) -> None:
        if not self.problem:
            log.error(
                "event sink %s: %s; events are kept %s and sent again every %g s",
                self.config.name,
                problem,
                "in memory" if self._backlog is None else "on disk",
                self._resend_seconds,
            )
        self.problem = problem
