"""A folder with archives of streams, as the supervisor knows it: whose it is, what it held last."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from media_streamer.archive.keeper import Kept

THREADS = 2


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
    problem: str = ""
    due: float = 0.0
    """When to claim it, or to look at its limits."""
    is_busy: bool = False
    busy_since: float = 0.0
    took: float = 0.0
    """Seconds, to look at its limits."""
    kept: Kept | None = None
    """What it held when its limits were looked at last."""

    def let_go(self) -> None:
        """It is not ours any more."""
        if self.owner >= 0:
            os.close(self.owner)
            self.owner = -1
        self.threads.shutdown(wait=False, cancel_futures=True)
