"""What this process has of memory, and had at most."""

import re
from pathlib import Path


def memory(key: str) -> float:
    """`VmRSS` or `VmHWM` of this process in MiB."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def forget_peak() -> float:
    """What this process has now, in MiB (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")
