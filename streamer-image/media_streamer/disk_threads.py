"""Threads that read disks for an event loop: bounded in number and time.

They belong to a root, so that a disk that does not answer delays what lies there and nothing else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

THREADS = 4
MAX_WAITING = 256
ANSWER_SECONDS = 20.0
MAX_ROOTS = 64


class DiskBusy(Exception):  # noqa: N818 - a state, not an error of the caller
    """Too much waits for the disk already."""


class DiskThreads:
    """`name` is what the threads are called."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._waiting: dict[str, int] = {}

    async def run(self, root: str, work: Callable[[], Result]) -> Result:
        """Do something that may block on the disk of `root`.

        Raises DiskBusy, TimeoutError if the disk does not answer, and what `work` raises.
        """
        waiting = self._waiting.get(root, 0)
        if waiting >= MAX_WAITING:
            raise DiskBusy
        threads = self._threads.get(root)
        if threads is None:
            if len(self._threads) >= MAX_ROOTS:
                _, old = self._threads.popitem()
                old.shutdown(wait=False)
            threads = self._threads[root] = ThreadPoolExecutor(THREADS, self._name)
        self._waiting[root] = waiting + 1
        done = asyncio.get_running_loop().run_in_executor(threads, work)
        done.add_done_callback(lambda done: self._leave(root, done))
        async with asyncio.timeout(ANSWER_SECONDS):
            return await asyncio.shield(done)

    def _leave(self, root: str, done: "asyncio.Future[Any]") -> None:
        self._waiting[root] -= 1
        if not self._waiting[root]:
            del self._waiting[root]
        if not done.cancelled():
            done.exception()  # asyncio would log it as never looked at where nobody waits any more
