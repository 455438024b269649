"""Which stream crashes media workers: found by trial in a worker of its own. Pure state machine.

A media worker that died gives no name. Suspects are the streams that were opening their input when
it died (FFmpeg crashes in probing and in decoder set-up more than anywhere else), and after several
crashes without such a stream, all streams of the worker. Suspects run in the quarantine worker in
batches: a batch that lives through its trial is released to the regular workers; a batch that
kills the quarantine worker is halved, and a batch of one is the culprit. It is held back for 5 s,
10 s, … 300 s and tried again, alone.

Invariants: a stream is in exactly one place (regular, waiting, on trial, held); one batch is on
trial at a time; a released stream keeps its strikes for a while, so that one that crashes at every
opening is held longer each time.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

OPENING_SECONDS = 10.0
TRIAL_SECONDS = 10.0
MAX_TRIAL_SECONDS = 120.0
FIRST_HOLD_SECONDS = 5.0
MAX_HOLD_SECONDS = 300.0
STRIKES_FORGOTTEN_SECONDS = 900.0
UNEXPLAINED_CRASHES = 3
UNEXPLAINED_WINDOW_SECONDS = 300.0

Status = Literal["regular", "waiting", "trial", "held"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Streams tried together; `trial_seconds` without a crash clears them."""

    names: tuple[str, ...]
    trial_seconds: float = TRIAL_SECONDS


@dataclass(slots=True)
class Held:
    """A culprit until `until` (monotonic seconds)."""

    until: float
    trial_seconds: float


@dataclass(slots=True)
class Record:
    """How often a stream killed a worker, and when last."""

    strikes: int = 0
    last_at: float = 0.0


@dataclass(slots=True)
class Quarantine:
    """All times are monotonic seconds."""

    _waiting: deque[Batch] = field(default_factory=deque)
    _trial: Batch | None = None
    _trial_began: float = 0.0
    _held: dict[str, Held] = field(default_factory=dict)
    _records: dict[str, Record] = field(default_factory=dict)
    _unexplained: dict[str, list[float]] = field(default_factory=dict)

    def status(self, name: str) -> Status:
        """Where a stream belongs now."""
        if name in self._held:
            return "held"
        if self._trial is not None and name in self._trial.names:
            return "trial"
        if any(name in batch.names for batch in self._waiting):
            return "waiting"
        return "regular"

    @property
    def on_trial(self) -> tuple[str, ...]:
        return self._trial.names if self._trial is not None else ()

    def suspects(self) -> dict[str, Status]:
        """Every stream that is not regular."""
        found: dict[str, Status] = dict.fromkeys(self._held, "held")
        found.update(dict.fromkeys(self.on_trial, "trial"))
        for batch in self._waiting:
            found.update(dict.fromkeys(batch.names, "waiting"))
        return found

    def held_for(self, name: str, now: float) -> float:
        """Seconds until a held stream is tried again, 0 if it is not held."""
        held = self._held.get(name)
        return max(0.0, held.until - now) if held else 0.0

    def worker_died(
        self,
        worker: str,
        opening: Collection[str],
        others: Collection[str],
        uptime: float,
        now: float,
    ) -> None:
        """A regular worker crashed after `uptime` seconds with these streams in it."""
        suspects = set(opening)
        trial_seconds = TRIAL_SECONDS
        if not suspects:
            times = [
                at
                for at in self._unexplained.get(worker, ())
                if now - at < UNEXPLAINED_WINDOW_SECONDS
            ]
            times.append(now)
            self._unexplained[worker] = times
            if len(times) < UNEXPLAINED_CRASHES:
                return
            del self._unexplained[worker]
            suspects = set(others)
            # They crash late: a trial must outlast that.
            trial_seconds = min(max(TRIAL_SECONDS, 2 * uptime), MAX_TRIAL_SECONDS)
        fresh = {name for name in suspects if self.status(name) == "regular"}
        if len(fresh) == 1:
            self._waiting.append(Batch(tuple(fresh), trial_seconds))
        else:
            self._split(Batch(tuple(sorted(fresh)), trial_seconds))

    def trial_died(self, now: float) -> None:
        """The quarantine worker crashed."""
        batch, self._trial = self._trial, None
        if batch is None:
            return
        if len(batch.names) > 1:
            self._split(batch)
            return
        name = batch.names[0]
        record = self._records.setdefault(name, Record())
        if now - record.last_at > STRIKES_FORGOTTEN_SECONDS:
            record.strikes = 0
        record.strikes += 1
        record.last_at = now
        seconds = min(FIRST_HOLD_SECONDS * 2.0 ** min(record.strikes - 1, 16), MAX_HOLD_SECONDS)
        self._held[name] = Held(now + seconds, batch.trial_seconds)

    def tick(self, now: float) -> bool:
        """Release who passed, try who waited long enough; True if anything changed."""
        changed = False
        if self._trial is not None and now - self._trial_began >= self._trial.trial_seconds:
            self._trial = None
            changed = True
        for name in [name for name, held in self._held.items() if held.until <= now]:
            self._waiting.append(Batch((name,), self._held.pop(name).trial_seconds))
            changed = True
        if self._trial is None and self._waiting:
            self._trial = self._waiting.popleft()
            self._trial_began = now
            changed = True
        return changed

    def forget(self, names: Iterable[str]) -> None:
        """These streams are gone or were reconfigured: they start anew."""
        gone = set(names)
        for name in gone:
            self._held.pop(name, None)
            self._records.pop(name, None)
        if self._trial is not None and gone & set(self._trial.names):
            self._trial = self._without(self._trial, gone)
        kept = (self._without(batch, gone) for batch in self._waiting)
        self._waiting = deque(batch for batch in kept if batch is not None)

    def _split(self, batch: Batch) -> None:
        """Halves go first in line: streams of other crashes wait no longer for that."""
        middle = (len(batch.names) + 1) // 2
        halves = (batch.names[:middle], batch.names[middle:])
        for names in reversed(halves):
            if names:
                self._waiting.appendleft(Batch(names, batch.trial_seconds))

    @staticmethod
    def _without(batch: Batch, gone: set[str]) -> Batch | None:
        names = tuple(name for name in batch.names if name not in gone)
        return Batch(names, batch.trial_seconds) if names else None
