"""Jobs of this worker: what one egress worker does for the whole server.

The contract of a part that does jobs (`protocols/NAME/push.py`):

    async def run(egress: Egress, work: Work) -> None

does the job once and for as long as it can: it calls `work.begins()`, `work.works()` and counts
what it moves in `work.account`, raises JobFailed with words for people when it cannot go on, and
undoes what it opened when it is cancelled. It neither tries again nor logs: that is done here.

Invariants: one task per job, which ends with it; a job that fails or returns is begun again after a
pause that doubles, until its limit; one that stays as it is goes on when others come and go; a job
that changes has ended before it begins anew, so that no peer meets it twice.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal

from media_api import protocols as table
from media_process.seldom import Seldom

from media_streamer import protocols
from media_streamer.egress.context import Egress
from media_streamer.egress.served_sessions import Account
from media_streamer.rounds import next_round
from media_streamer.wire.control import Job, JobReport, JobsReport

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
IDLE_SECONDS = 2.0
STEADY_SECONDS = 10.0
"""A job that worked this long begins anew with its first pause, and its limit."""
STOP_SECONDS = 3.0
"""What a job may take to end."""
CALM_LOOKS = 4
"""Looks in a row at a receiver that keeps up: then it was too slow."""

TOO_SLOW = "the receiver takes less than the stream has: groups of pictures are left out"

Status = Literal["pending", "starting", "running", "retry", "error"]


class JobFailed(Exception):  # noqa: N818 - an outcome, told to people
    """The job cannot go on.

    `counter`: which of the error counters it is, empty for none. `hopeless`: it will not do better
    before its configuration changes.
    """

    def __init__(self, text: str, counter: str = "", *, hopeless: bool = False) -> None:
        super().__init__(text)
        self.counter = counter
        self.hopeless = hopeless


class Work:
    """One job as the part that does it sees it, and how it goes."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.account = Account()
        """Bytes and dropped groups of pictures over all attempts."""
        self.counters: dict[str, int] = {}
        self.error = ""
        """What is wrong now, or why the last attempt ended."""
        self._said = ""
        """What the log has been told."""
        self._lagging = 0
        """Looks until the receiver is no longer too slow; 0: it is not."""
        self._seldom = Seldom()
        self.standby: Literal["", "active", "waiting"] = ""
        """Of one that works only while no other does."""
        self.retries = self.restarts = 0
        self._worked_at: float | None = None
        self._quiet = False
        self._opened_at = _unix_ms()
        self._status: Status = "pending"
        self._since = self._opened_at

    @property
    def stream(self) -> str:
        return self.job.stream

    def waits(self) -> None:
        """The stream has no data yet."""
        self.enter("pending")

    def begins(self) -> None:
        """The peer is being asked."""
        self.enter("starting")

    def works(self) -> None:
        """The peer takes what is sent."""
        self._worked_at = time.monotonic()
        self.error, self._lagging = "", 0
        self.enter("running")
        log.log(
            logging.DEBUG if self._quiet else logging.INFO,
            "stream %s: %s: running",
            self.stream,
            self.job.title,
        )

    def lags(self, lags: bool) -> None:
        """A look: whether the peer takes less than there is. Told from then on until it has kept up
        for `CALM_LOOKS`, unless what is told is worse; logged as it begins."""
        if lags and not self._lagging and (tail := self._seldom.tail()) is not None:
            log.warning("stream %s: %s: %s%s", self.stream, self.job.title, TOO_SLOW, tail)
        self._lagging = CALM_LOOKS if lags else max(0, self._lagging - 1)
        if self._lagging and not self.error:
            self.error = TOO_SLOW
        elif not self._lagging and self.error == TOO_SLOW:
            self.error = ""

    @property
    def is_steady(self) -> bool:
        """This attempt works, and not just for a moment."""
        began = self._worked_at
        return began is not None and time.monotonic() - began >= STEADY_SECONDS

    def failed(self, failed: JobFailed) -> bool:
        """This attempt is over; True if it was a steady one. What was said is not said again."""
        steady, worked = self.is_steady, self._worked_at is not None
        if failed.counter:
            self.count(failed.counter)
        new = str(failed) != self._said
        level = logging.WARNING if steady or new else logging.DEBUG
        log.log(level, "stream %s: %s: %s", self.stream, self.job.title, failed)
        self._quiet = worked and not (steady or new)
        self.error = self._said = str(failed)
        self._worked_at = None
        if steady:
            self.retries = 0
        return steady

    def count(self, counter: str, number: int = 1) -> None:
        """More errors of a kind; see `media_api.status.PushStats`."""
        self.counters[counter] = self.counters.get(counter, 0) + number

    def enter(self, status: Status) -> None:
        if status != self._status:
            self._status, self._since = status, _unix_ms()

    def report(self) -> JobReport:
        counters = dict(self.counters)
        if self.account.frames:
            counters["frames"] = self.account.frames
        if self.account.dropped_gops:
            counters["errors_dropped_segments"] = self.account.dropped_gops
        return JobReport(
            self._status,
            self._opened_at,
            self._since,
            self.error,
            0 if self.is_steady else self.retries,
            self.restarts,
            self.account.bytes,
            counters,
            self.standby,
        )


Run = Callable[[Egress, Work], Awaitable[None]]
Find = Callable[[Job], Run]


def find(job: Job) -> Run:
    """Who does a job. Raises JobFailed."""
    row = table.find(job.protocol)
    role = getattr(row, job.part, None)
    if row is None or role is None or not role.served:
        raise JobFailed(f"{job.protocol} has no {job.part} in this version", hopeless=True)
    run: Run = protocols.load(row, job.part).run
    return run


class _Running:
    """A job and its task."""

    def __init__(
        self, egress: Egress, job: Job, find_run: Find, before: asyncio.Task[None] | None
    ) -> None:
        self.job = job
        self.work = Work(job)
        self._egress = egress
        self._find = find_run
        self.task = asyncio.create_task(self._keep(before), name=f"{job.part} of {job.stream}")

    async def _keep(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before], timeout=STOP_SECONDS)
        work, pause, limit = self.work, self.job.pause_seconds, self.job.retry_limit
        while True:
            failed = await self._attempt()
            if work.failed(failed):
                pause = self.job.pause_seconds
            if failed.hopeless or (limit is not None and work.retries >= limit):
                work.enter("error")
                log.error("stream %s: %s: given up: %s", work.stream, self.job.title, failed)
                return
            work.enter("retry")
            await asyncio.sleep(pause)
            pause = min(2 * pause, max(self.job.max_pause_seconds, self.job.pause_seconds))
            work.retries += 1
            work.restarts += 1

    async def _attempt(self) -> JobFailed:
        try:
            await self._find(self.job)(self._egress, self.work)
        except JobFailed as failed:
            return failed
        except Exception as error:
            log.exception("stream %s: %s failed", self.job.stream, self.job.title)
            return JobFailed(f"internal error: {type(error).__name__}")
        return JobFailed("it ended")


class JobRunner:
    """All jobs of this worker; `notify` tells the supervisor."""

    def __init__(
        self, egress: Egress, notify: Callable[[JobsReport], None], find_run: Find = find
    ) -> None:
        self._egress = egress
        self._notify = notify
        self._find = find_run
        self._running: dict[str, _Running] = {}
        self._reported: dict[str, JobReport] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def ids(self) -> list[str]:
        return list(self._running)

    def set(self, jobs: Iterable[Job]) -> None:
        """Do these and no others."""
        wanted = {job.id: job for job in jobs}
        self.change({**dict.fromkeys(self._running), **wanted})
        self._reported.clear()  # whoever tells all knows nothing

    def change(self, jobs: Mapping[str, Job | None]) -> None:
        """Jobs that came or are others now; None for one that is gone."""
        for job_id, job in jobs.items():
            old = self._running.get(job_id)
            if old is not None and old.job == job:
                continue
            if old is not None:
                del self._running[job_id]
                self._reported.pop(job_id, None)
                self._end(old.task)
            if job is not None:
                before = old.task if old is not None else None
                self._running[job_id] = _Running(self._egress, job, self._find, before)

    def tell(self) -> None:
        """Report what changed."""
        changed = {
            job_id: report
            for job_id, one in self._running.items()
            if (report := one.work.report()) != self._reported.get(job_id)
        }
        if changed:
            self._reported.update(changed)
            self._notify(JobsReport(changed))

    async def run(self) -> None:
        """Report each second until cancelled."""
        while True:
            await next_round(REPORT_SECONDS if self._running else IDLE_SECONDS)
            self.tell()

    async def close(self) -> None:
        """End all of them, within a bound."""
        self.set(())
        if self._ending:
            await asyncio.wait(set(self._ending), timeout=STOP_SECONDS)

    def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _unix_ms() -> int:
    return int(time.time() * 1000)
