"""Takes the ends of processes that fell to the supervisor and that nobody waits for.

Why: workers are orphans that it takes (`forks.py`, PR_SET_CHILD_SUBREAPER), and so it gets others:
workers that begin for nobody, what a killed worker leaves behind. They would stay as zombies.

Invariant: the status of a child that somebody waits for is not touched. What the supervisor starts
by itself is in its session; workers and fork servers are in others, and are told by `known`. One
that is neither is looked at twice, as its start may be on its way to who asked for it.
"""

import asyncio
import os
from collections.abc import Callable, Container
from pathlib import Path

LOOK_SECONDS = 2.0


async def reap(known: Callable[[], Container[int | None]]) -> None:
    """For ever. `known`: processes that somebody waits for."""
    before: frozenset[int] = frozenset()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        before = _look(known(), before)


def _look(known: Container[int | None], before: frozenset[int]) -> frozenset[int]:
    """Take those that were there before; who is there now."""
    ended = frozenset(pid for pid in _children() if _is_nobodys(pid, known))
    for pid in ended & before:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    return ended - before


def _children() -> list[int]:
    """One by one, as waitid(P_ALL) shows but the first that has ended, and that may be somebody's
    (proc(5), /proc/pid/task/tid/children: a child is listed with the thread that made it)."""
    found: list[int] = []
    # Where the kernel lists none (CONFIG_PROC_CHILDREN) orphans stay as zombies, and do no more.
    for listed in Path("/proc/self/task").glob("*/children"):
        try:
            found.extend(map(int, listed.read_text().split()))
        except OSError:  # The thread has ended.
            continue
    return found


def _is_nobodys(pid: int, known: Container[int | None]) -> bool:
    """Whether it is a zombie that nobody waits for."""
    try:
        if pid in known or os.getsid(pid) == os.getsid(0):
            return False
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (ChildProcessError, ProcessLookupError):
        return False
