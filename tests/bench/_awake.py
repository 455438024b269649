"""Cores that do not sleep while something small is measured.

A core that was asleep takes its time to wake up, and on a virtual machine the host's share of that
is counted as the woken program's: the same idle streamer was seen at 0.12 % and at 1.5 % of a core.
Loops at idle priority (SCHED_IDLE: they run when nobody else wants to) take that out, for every
server that is compared alike. They are a session of their own, of the lowest priority: where the
kernel shares the cores between sessions (autogroup, sched(7)) they would get as much as a worker.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

_LOOP = """
import contextlib, os
os.setsid()
with contextlib.suppress(OSError):
    open("/proc/self/autogroup", "w").write("19")
os.sched_setaffinity(0, {{{core}}})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == {parent}:
    for _ in range(1_000_000):
        pass
"""


@contextlib.contextmanager
def awake() -> Iterator[None]:
    loops = [
        subprocess.Popen([sys.executable, "-c", _LOOP.format(core=core, parent=os.getpid())])
        for core in sorted(os.sched_getaffinity(0))
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
