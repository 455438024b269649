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

LOOK_SECONDS = 2.0


async def reap(known: Callable[[], Container[int | None]]) -> None:
    """For ever. `known`: processes that somebody waits for."""
    before: int | None = None
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        before = _look(known(), before)


def _look(known: Container[int | None], before: int | None) -> int | None:
    """Take the one that was there before; the next one."""
    found = _ended(known)
    if found is None or found != before:
        return found
    os.waitid(os.P_PID, found, os.WEXITED | os.WNOHANG)
    return _ended(known)


def _ended(known: Container[int | None]) -> int | None:
    """A zombie that is nobody's."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None or found.si_pid in known or os.getsid(found.si_pid) == os.getsid(0):
            return None
    except (ChildProcessError, ProcessLookupError):
        return None
    return found.si_pid
