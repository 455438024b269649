"""For programs under test (PYTHONPATH): the wall clock is off by what a file says, seconds as text.

The monotonic clock goes on, as where an administrator or NTP sets the time of a running machine.
`$SHIFTED_CLOCK` is mapped into memory, so a step reaches all processes at once.
"""

import mmap
import os
import time

SIZE = 16

_real, _real_ns = time.time, time.time_ns
with open(os.environ["SHIFTED_CLOCK"], "rb") as _file:
    _shift = mmap.mmap(_file.fileno(), SIZE, prot=mmap.PROT_READ)


def _seconds() -> int:
    return int(_shift[:SIZE])


time.time = lambda: _real() + _seconds()
time.time_ns = lambda: _real_ns() + _seconds() * 1_000_000_000
