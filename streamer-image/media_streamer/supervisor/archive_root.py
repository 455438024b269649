"""A folder with archives of streams, as the supervisor knows it: whose it is, what it held last."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from media_streamer.archive.claiming import claim, is_other, mount_of
from media_streamer.archive.erasing import Locked
from media_streamer.archive.keeper import Kept
from media_streamer.archive.measuring import Measured
from media_streamer.supervisor.archive_errors import ArchiveError, ArchiveLocked

log = logging.getLogger(__name__)

Result = TypeVar("Result")

CLAIM_RETRY_SECONDS = 10.0
ANSWER_SECONDS = 20.0
THREADS = 2
KEEP_SECONDS = 60.0
"""Limits are looked at this often, or more seldom where looking takes long."""
KEEP_SHARE = 100
"""At most this part of the time goes into looking at the limits."""
READ_SHARE = 4
"""The same, while indexes of files are not read yet: what they say is put down for who asks."""
MAX_READS = 1000
"""So many such looks follow each other at most."""
SOON_SECONDS = 1.0
SHOWN_STREAMS = 5
ASK_SECONDS = 3.0
"""How often it is asked whose a disk is that cannot be written to: a `stat`."""


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="archive")


@dataclass(slots=True)
class Root:
    """A disk of a storage, or all of it."""

    path: Path
    threads: ThreadPoolExecutor = field(default_factory=_threads)
    owner: int = -1
    """Descriptor that holds the lock; -1: it is not ours."""
    must_be_mounted: bool = False
    mount: Path | None = None
    """Where its disk was mounted when it became ours; see `claiming.is_other`."""
    was_lost: bool = False
    """Workers that may use what was there once may not use what is there now."""
    problem: str = ""
    due: float = 0.0
    """When to claim it, or to look at its limits."""
    is_busy: bool = False
    busy_since: float = 0.0
    took: float = 0.0
    """Seconds, to look at its limits."""
    kept: Kept | None = None
    """What it held when its limits were looked at last."""

    looked_at: float = 0.0
    """When that ended."""
    asked_at: float = 0.0
    """When it was asked alone whether something else lies there."""
    reads: int = 0
    """Looks one after the other that did not come to the end of what is to be read."""
    measured: dict[str, Measured] = field(default_factory=dict)
    """By stream; belongs to its threads."""
    reading: dict[Hashable, asyncio.Future[Any]] = field(default_factory=dict)
    """What takes long, by what was asked."""

    async def do(self, work: Callable[[], Result]) -> Result:
        """Do something in the threads of this disk. Raises ArchiveError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await loop.run_in_executor(self.threads, work)
        except TimeoutError:
            words = f"the disk of {self.path} does not answer"
            raise ArchiveError(words, is_temporary=True) from None
        except Locked as error:
            raise ArchiveLocked(str(error)) from None
        except (OSError, ValueError) as error:
            words = f"the archive cannot be read: {error}"
            raise ArchiveError(words, is_temporary=True) from error

    async def once(self, question: Hashable, work: Callable[[], Result]) -> Result:
        """`do` for what may take long: whoever asks the same meanwhile waits for the same, and who
        has waited in vain may ask again. Raises ArchiveError."""
        done = self.reading.get(question)
        if done is None:
            done = asyncio.get_running_loop().run_in_executor(self.threads, work)
            self.reading[question] = done
            done.add_done_callback(lambda done: self._read(question, done))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found: Result = await asyncio.shield(done)
                return found
        except TimeoutError:
            words = f"it takes long to read what there is on the disk of {self.path}, ask again"
            raise ArchiveError(words, is_temporary=True) from None
        except (OSError, ValueError) as error:
            words = f"the archive cannot be read: {error}"
            raise ArchiveError(words, is_temporary=True) from error

    def _read(self, question: Hashable, done: asyncio.Future[Any]) -> None:
        del self.reading[question]
        if not done.cancelled():
            done.exception()  # asyncio would log it as never looked at where nobody waits any more

    def hangs(self, now: float) -> bool:
        """Whether it works longer than can be."""
        return self.is_busy and now - self.busy_since > max(ANSWER_SECONDS, self.took * 10)

    def looked(self, began: float, now: float) -> None:
        """Its limits were looked at; the next time is `due`."""
        self.looked_at, self.took = now, now - began
        summaries = self.kept.summaries.values() if self.kept is not None else ()
        is_read = all(one.ranges is not None for one in summaries)
        self.reads = 0 if is_read else self.reads + 1
        if is_read or self.reads > MAX_READS or self.problem:
            rest = max(KEEP_SECONDS, self.took * KEEP_SHARE)
        else:
            rest = max(SOON_SECONDS, self.took * READ_SHARE)
        if self.owner >= 0:
            self.due = now + rest

    def look_soon(self) -> None:
        """There is something that nobody has seen."""
        self.due = min(self.due, self.looked_at + max(SOON_SECONDS, self.took * KEEP_SHARE))

    def begins_to_ask(self, now: float) -> bool:
        """Whether it is time for `is_other` alone; it is busy with that then."""
        if self.owner < 0 or self.is_busy or self.asked_at + ASK_SECONDS > now:
            return False
        self.is_busy, self.busy_since, self.asked_at = True, now, now
        return True

    def forget(self, stream: str) -> None:
        """Something was deleted within its files."""
        if (found := self.measured.get(stream)) is not None:
            found.forget()
            self.look_soon()

    def refused(self, problem: str, streams: Sequence[str]) -> None:
        """It cannot be ours now; `streams` would be recorded there."""
        if problem != self.problem:
            names = shown(streams)
            log.error("archive %s: nothing is recorded there of %s: %s", self.path, names, problem)
        self.problem, self.due = problem, time.monotonic() + CLAIM_RETRY_SECONDS

    def claim(self, words: str) -> int:
        """`claiming.claim`; blocks."""
        owner = claim(self.path, words, self.must_be_mounted)
        self.mount = mount_of(self.path)
        return owner

    def is_other(self) -> bool:
        """Whether it has to be claimed anew; blocks."""
        return is_other(self.path, self.owner, self.mount)

    def lose(self) -> None:
        """Something else lies there now: it is claimed as soon as can be."""
        os.close(self.owner)
        self.owner, self.was_lost, self.due, self.kept = -1, True, 0.0, None
        self.measured.clear()

    def take_replaced(self) -> bool:
        """Whether it was lost and is ours again since the last call."""
        is_replaced = self.was_lost and self.owner >= 0
        self.was_lost = self.was_lost and not is_replaced
        return is_replaced

    def let_go(self) -> None:
        """It is not ours any more."""
        if self.owner >= 0:
            os.close(self.owner)
            self.owner = -1
        self.threads.shutdown(wait=False, cancel_futures=True)


def rows_of(roots: Mapping[Path, Root], replaced: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows of `media_api.server_status.PartitionStats`, as far as the disks have answered.

    `replaced`: disks that others stand in for, and why.
    """
    rows = []
    for path, root in roots.items():
        row: dict[str, Any] = {"path": str(path)}
        if root.kept is not None:
            row |= root.kept.as_json()
        if problem := root.problem or replaced.get(str(path)):
            row["error"] = problem
        if len(row) > 1:
            rows.append(row)
    return rows


def alerts_of(roots: Mapping[Path, Root], replaced: Mapping[str, str]) -> dict[str, str]:
    """For people: disks that are not recorded on, and why."""
    found = {
        f"dvr_{root.path}": f"nothing is recorded in {root.path}: {root.problem}"
        for root in roots.values()
        if root.problem
    }
    for disk, why in replaced.items():
        found.setdefault(f"dvr_{disk}", f"other disks stand in for {disk}: {why}")
    return found


def unrecorded(failing: Mapping[str, str]) -> dict[str, str]:
    """For people: streams that are not recorded, and why the first one is not."""
    if not failing:
        return {}
    first, *_ = failing.values()
    return {"dvr": f"not recorded: {shown(list(failing))}: {first}"}


def shown(streams: Sequence[str]) -> str:
    """The first names."""
    more = ", …" if len(streams) > SHOWN_STREAMS else ""
    return ", ".join(streams[:SHOWN_STREAMS]) + more
