"""Asking several disks at once: who does not answer in time is left out, and not asked for a while.

So an archive over several disks is read while one of them hangs.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

Result = TypeVar("Result")

ANSWER_SECONDS = 3.0
"""Since it was asked, or since something of the answer came."""
SILENT_SECONDS = 30.0
THREADS = 2
"""A disk."""


class Patience:
    """One for all readers of a process; may be used by several threads."""

    def __init__(self, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._threads: dict[Path, ThreadPoolExecutor] = {}
        self._silent_until: dict[Path, float] = {}
        self._heard_at: dict[Path, float] = {}
        self._lock = threading.Lock()

    def heard(self, disk: Path) -> None:
        """Something was read of it: a question that takes long is no silence."""
        self._heard_at[disk] = time.monotonic()

    def ask(self, questions: Mapping[Path, Callable[[], Result]]) -> list[Result]:
        """Answers by disk, in their order, without those of disks that do not answer or are gone.

        Raises what a question raises beside OSError, and OSError where no disk answers.
        """
        now = time.monotonic()
        asked: dict[Future[Result], Path] = {}
        for disk, question in questions.items():
            if self._silent_until.get(disk, now) <= now:
                asked[self._of(disk).submit(question)] = disk
        done, late = self._wait(asked, now)
        for one in late:
            one.cancel()
            if self._silent_until.get(asked[one], 0.0) <= now:
                log.error("archive %s: the disk does not answer, the others are read", asked[one])
            self._silent_until[asked[one]] = time.monotonic() + SILENT_SECONDS
        answers, error = [], None
        for one in asked:
            if one in done:
                try:
                    answers.append(one.result())
                except OSError as failure:
                    error = failure
        if not answers:
            raise error or OSError("no disk of the archive answers")
        return answers

    def _wait(
        self, asked: Mapping[Future[Result], Path], began: float
    ) -> tuple[set[Future[Result]], set[Future[Result]]]:
        """Those that are answered, and those of disks that are silent."""
        done, late = set[Future[Result]](), set[Future[Result]]()
        while left := asked.keys() - done - late:
            now = time.monotonic()
            silent = {one: now - max(began, self._heard_at.get(asked[one], 0.0)) for one in left}
            answered, _ = wait(left, max(0.0, self._answer_seconds - max(silent.values())))
            done |= answered
            late |= {one for one in left - answered if silent[one] >= self._answer_seconds}
        return done, late

    def _of(self, disk: Path) -> ThreadPoolExecutor:
        with self._lock:
            threads = self._threads.get(disk)
            if threads is None:
                threads = self._threads[disk] = ThreadPoolExecutor(THREADS, "disk")
            return threads
