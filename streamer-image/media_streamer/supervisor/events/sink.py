"""One event sink: a bounded queue and the task that empties it, in order, at least once.

The next batch leaves when the last one was taken. A batch that was not taken is sent again after
`resend_timeout`, with what came meanwhile; when more than `resend_limit` events wait, the oldest
are dropped and counted. A receiver that is away is one log line, its return another.
"""

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from typing import Any, Protocol

from media_api.events import EventSinkConfig

log = logging.getLogger(__name__)

BATCH_EVENTS = 100
RESEND_SECONDS = 10.0
RESEND_LIMIT = 10_000
"""About 6 MB of events."""
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

    def __init__(self, config: EventSinkConfig, delivery: Delivery) -> None:
        self.config = config
        self.problem = ""
        """Why the last attempt failed; empty while all goes well."""
        self._delivery = delivery
        self.recent: deque[Event] = deque(maxlen=BATCH_EVENTS)
        """What it was given last, for people who ask."""
        self._waiting: deque[Event] = deque()
        self._limit = RESEND_LIMIT if config.resend_limit is None else config.resend_limit
        self._limit = max(self._limit, 1)
        self._resend_seconds = float(config.resend_timeout or RESEND_SECONDS)
        self._throttle_seconds = float(config.throttle_delay or 0.0)
        self._news = asyncio.Event()
        self._full = asyncio.Event()
        self._delivering = asyncio.Lock()
        self._resent = self._dropped = 0
        self._task = asyncio.create_task(self._run(), name=f"event sink {config.name}")

    def put(self, event: Event) -> None:
        """Queue an event; the oldest one gives way when the queue is full."""
        if len(self._waiting) >= self._limit:
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
        """End now; returns what was not delivered, for a successor."""
        self._task.cancel()
        rest = list(self._waiting)
        self._waiting.clear()
        return rest

    async def close(self) -> None:
        """End the task; what waits has one attempt within CLOSE_SECONDS, what is on its way is
        not sent twice."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS), self._delivering:
                self._task.cancel()
                while self._waiting and not self.problem:
                    await self._deliver_one()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._drop_rest()

    def _drop_rest(self) -> None:
        if self._waiting:
            log.warning(
                "event sink %s: %d events were not delivered", self.config.name, len(self._waiting)
            )
            self._dropped += len(self._waiting)
            self._waiting.clear()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await self._collect()
            async with self._delivering:
                await self._deliver_one()
            if self.problem:
                await asyncio.sleep(self._resend_seconds)

    async def _collect(self) -> None:
        """Wait for more events, so that many small requests become one."""
        if self._throttle_seconds and not self.problem:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._throttle_seconds)

    async def _deliver_one(self) -> None:
        batch = list(itertools.islice(self._waiting, BATCH_EVENTS))
        if self.problem:
            self._resent += len(batch)
        try:
            await self._delivery.deliver(batch)
        except DeliveryError as error:
            self._failed(str(error))
            return
        self._taken(batch)
        if self.problem:
            log.info("event sink %s: events are taken again", self.config.name)
            self.problem = ""

    def _taken(self, batch: list[Event]) -> None:
        """Forget what was delivered; what gave way while it was on its way was not lost."""
        last, found = batch[-1]["event_id"], 0
        while self._waiting and self._waiting[0]["event_id"] <= last:
            self._waiting.popleft()
            found += 1
        self._dropped -= len(batch) - found
        if not self._waiting:
            self._news.clear()
        if len(self._waiting) < BATCH_EVENTS:
            self._full.clear()

    def _failed(self, problem: str) -> None:
        if not self.problem:
            log.error(
                "event sink %s: %s; events are kept (at most %d) and sent again every %g s",
                self.config.name,
                problem,
                self._limit,
                self._resend_seconds,
            )
        self.problem = problem
