"""How busy the event loops of the server's processes are (`scheduler_load`).

A process' loop runs in its main thread, whose CPU time the kernel counts (proc_stat(5), fields 14
and 15). A loop at 100 % answers late, however idle the other cores are, so it is the busiest one
that is told.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
WINDOW_SECONDS = 5.0


class LoopLoad:
    """`sample` each second; `percent` is what it was over the last window."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._ticks: dict[int, int] = {}
        self._at = 0.0
        self.percent = 0

    def sample(self, pids: Iterable[int], now: float | None = None) -> None:
        """Read the main threads of these processes, once a window."""
        now = time.monotonic() if now is None else now
        elapsed = now - self._at
        if elapsed < WINDOW_SECONDS:
            return
        ticks = {pid: found for pid in pids if (found := self._read(pid)) is not None}
        shares = [
            (count - self._ticks[pid]) / _TICKS / elapsed
            for pid, count in ticks.items()
            if pid in self._ticks
        ]
        self.percent = max(0, min(100, round(100 * max(shares, default=0.0))))
        self._ticks, self._at = ticks, now

    def _read(self, pid: int) -> int | None:
        try:
            text = (self._proc / str(pid) / "task" / str(pid) / "stat").read_text()
        except OSError:
            return None  # it has just ended
        words = text.rpartition(")")[2].split()  # the name before may hold anything
        return int(words[11]) + int(words[12])
