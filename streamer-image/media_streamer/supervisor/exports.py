"""Exports of archives: jobs in threads of their own, one at a time below each root.

Role: takes orders, runs them in turn, remembers them over restarts. Making a film never holds up a
recording or an answer: each root has one more thread for it, and what is written is given to the
disk bit by bit (`archive/exports.py`).
"""

import asyncio
import logging
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from media_streamer.archive.exports import (
    ENDED,
    MAX_JOBS,
    Cancelled,
    ExportJob,
    make_film,
    read_jobs,
    remove_film,
    write_jobs,
)
from media_streamer.archive.library import Library, Where
from media_streamer.supervisor.tasks import Tasks

log = logging.getLogger(__name__)

MAX_QUEUED = 100
NAME_BYTES = 12
ANSWER_SECONDS = 20.0


@dataclass(slots=True)
class _Order:
    job: ExportJob
    where: Where
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Shelf:
    """The exports below one root."""

    root: Path
    thread: ThreadPoolExecutor
    """Makes films."""
    answers: ThreadPoolExecutor
    """For what somebody waits for."""
    orders: dict[str, _Order] = field(default_factory=dict)


class Exports:
    """One per server, on its event loop."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._shelves: dict[Path, _Shelf] = {}
        self._library = Library()

    def opened(self, root: Path) -> None:
        """This server holds the folder: what was exported below it is known from now on."""
        if root not in self._shelves:
            shelf = self._shelves[root] = _Shelf(
                root, ThreadPoolExecutor(1, "export"), ThreadPoolExecutor(1, "exports")
            )
            self._tasks.spawn(self._load(shelf), f"exports of {root}")

    def closed(self, root: Path) -> None:
        """The folder is not ours any more."""
        shelf = self._shelves.pop(root, None)
        if shelf is not None:
            for order in shelf.orders.values():
                order.stop.set()
            for threads in (shelf.thread, shelf.answers):
                threads.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        for root in list(self._shelves):
            self.closed(root)

    def jobs(self) -> list[ExportJob]:
        """All, the oldest first."""
        found = [order.job for shelf in self._shelves.values() for order in shelf.orders.values()]
        return sorted(found, key=lambda job: (job.created_at, job.name))

    def add(self, root: Path, where: Where, stream: str, from_ms: int, to_ms: int) -> ExportJob:
        """Order a film. Raises ValueError with words if that cannot be."""
        shelf = self._shelves.get(root)
        if shelf is None:
            raise ValueError(f"{root} is not held by this server now")
        waiting = sum(order.job.status not in ENDED for order in shelf.orders.values())
        if waiting >= MAX_QUEUED:
            raise ValueError(f"{waiting} exports wait already")
        name, now_ms = secrets.token_hex(NAME_BYTES), int(time.time() * 1000)
        job = ExportJob(name, stream, from_ms, to_ms, now_ms)
        order = shelf.orders[name] = _Order(job, where)
        self._forget_oldest(shelf)
        self._tasks.spawn(self._run(shelf, order), f"export {name} of {stream}")
        return job

    async def remove(self, name: str) -> bool:
        """Cancel a job, or delete its film; False if there is none.

        Raises OSError or TimeoutError.
        """
        for shelf in self._shelves.values():
            order = shelf.orders.get(name)
            if order is None:
                continue
            order.stop.set()
            if order.job.status in ENDED:
                del shelf.orders[name]

                def delete(shelf: _Shelf = shelf, order: _Order = order) -> None:
                    remove_film(shelf.root, order.job)
                    write_jobs(shelf.root, [one.job for one in shelf.orders.values()])

                async with asyncio.timeout(ANSWER_SECONDS):
                    await asyncio.get_running_loop().run_in_executor(shelf.answers, delete)
            elif order.job.status == "queued":
                order.job.status = "cancelled"
            return True
        return False

    def _forget_oldest(self, shelf: _Shelf) -> None:
        ended = [order for order in shelf.orders.values() if order.job.status in ENDED]
        for order in ended[: max(0, len(shelf.orders) - MAX_JOBS)]:
            del shelf.orders[order.job.name]

    async def _load(self, shelf: _Shelf) -> None:
        try:
            jobs = await asyncio.get_running_loop().run_in_executor(
                shelf.answers, read_jobs, shelf.root
            )
        except (OSError, ValueError) as error:
            log.error("archive %s: its exports are not known: %s", shelf.root, error)
            return
        known = {job.name: _Order(job, Path()) for job in jobs}
        shelf.orders = {**known, **shelf.orders}

    async def _run(self, shelf: _Shelf, order: _Order) -> None:
        job = order.job
        await asyncio.get_running_loop().run_in_executor(shelf.thread, self._make, shelf, order)
        if job.status == "failed":
            log.error("stream %s: not exported: %s", job.stream, job.error)
        else:
            log.info("stream %s: export %s %s", job.stream, job.name, job.status)

    def _make(self, shelf: _Shelf, order: _Order) -> None:
        """In the thread of the root."""
        job = order.job
        if order.stop.is_set():
            job.status = "cancelled"
            return
        job.status, job.started_at = "running", int(time.time() * 1000)
        try:
            self._remember(shelf)
            make_film(shelf.root, order.where, job, self._library, order.stop)
            job.status = "done"
        except Cancelled:
            job.status = "cancelled"
        except (OSError, ValueError) as error:
            job.status, job.error = "failed", str(error)
        except Exception as error:
            log.exception("stream %s: export %s failed", job.stream, job.name)
            job.status, job.error = "failed", f"fault: {type(error).__name__}"
        job.finished_at = int(time.time() * 1000)
        self._remember(shelf)

    @staticmethod
    def _remember(shelf: _Shelf) -> None:
        try:
            write_jobs(shelf.root, [order.job for order in list(shelf.orders.values())])
        except OSError as error:
            log.error("archive %s: its exports are not remembered: %s", shelf.root, error)
