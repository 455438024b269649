"""The loop: something changed -> plan -> write, while this replica leads.

Changes that come while a plan is written are taken by the next one. A burst of events costs a few
plans, because a plan waits `GATHER_SECONDS` for more to come; that bounds both the load and the
reaction time. While the API server is in trouble, rounds are further apart.
"""

import asyncio
import logging
import random
from datetime import UTC, datetime

from media_operator import metrics
from media_operator.apply import Outcome, Writer
from media_operator.picture import ClusterPicture
from media_operator.planner.plan import make_plan
from media_operator.settings import Settings

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.1
RESYNC_SECONDS = 600.0
"""A full look without a cause, against whatever was missed."""
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""The last one bounds how long a pod's streams wait for a server that is well again; a round in
trouble asks for so little that nothing is won by more."""


class Controller:
    """Owns the picture and the one task that plans and writes."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self._settings = settings
        self._writer = writer
        self._changed = asyncio.Event()
        self.picture = ClusterPicture(self._changed.set)
        self._failures = 0

    async def run(self) -> None:
        """Plan and write until cancelled. The picture must be complete when this begins."""
        wait = 0.0
        while True:
            await self._wait_for_changes(wait)
            self._changed.clear()
            outcome, wait = await self._round()
            if outcome.failed:
                # Nothing shortens this wait: each change of a storm would else be a retry of all.
                pause = self._pause(outcome)
                log.warning("%d writes are left; again in %.1f s", outcome.failed, pause)
                await asyncio.sleep(pause)
                wait = 0.0
            else:
                self._failures = 0

    async def _wait_for_changes(self, seconds: float) -> None:
        """At most so long. No `wait_for`: Python 3.11's forgets that it was cancelled if a change
        comes at that moment, and this replica would write on without the Lease."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)

    async def _round(self) -> tuple[Outcome, float]:
        """One plan carried out; seconds until the next one without a cause."""
        with metrics.PLAN_SECONDS.time():
            plan = make_plan(self.picture.snapshot, self._settings, datetime.now(UTC))
        if plan.writes:
            log.log(
                logging.DEBUG if self._failures else logging.INFO,
                "writing %d objects, %d deletions, %d statuses",
                len(plan.applies),
                len(plan.deletes),
                len(plan.statuses),
            )
        outcome = await self._writer.carry_out(plan)
        waits = (plan.again_after_seconds, outcome.held_seconds, RESYNC_SECONDS)
        return outcome, min(wait for wait in waits if wait)

    def _pause(self, outcome: Outcome) -> float:
        """Longer with each round that got little done, and at least what the server asks for.

        Jittered, so that what failed together does not come back together.
        """
        self._failures = 1 if outcome.done > outcome.failed else self._failures + 1
        pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1]
        return max(pause, outcome.server_asks_seconds) * random.uniform(1.0, 1.2)
