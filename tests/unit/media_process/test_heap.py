"""Freed memory goes back, seldom and for a small part of the time."""

import subprocess
import sys
from itertools import pairwise

from media_process.heap import LEAST_PAUSE_SECONDS, PAUSE_FACTOR, Heap

PROGRAM = """
import os
from media_process.heap import trim
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
held = [bytes(20_000) for _ in range(4000)]
del held[::2], held[::3]
before = resident()
trim()
print(before - resident())
"""


def test_what_is_free_between_what_is_used_goes_back() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(run.stdout) > 20_000_000


def test_it_takes_a_small_part_of_the_time() -> None:
    now, trims = 0.0, list[float]()

    def trim() -> None:
        nonlocal now
        trims.append(now)
        now += 0.2

    heap = Heap(trim, lambda: now)
    while now < 1000:
        heap.look()
        now += 1
    assert LEAST_PAUSE_SECONDS <= trims[0] < LEAST_PAUSE_SECONDS + 2
    pauses = [after - before for before, after in pairwise(trims)]
    assert pauses
    assert all(PAUSE_FACTOR * 0.2 <= pause < PAUSE_FACTOR * 0.2 + 3 for pause in pauses)
