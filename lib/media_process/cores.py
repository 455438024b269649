"""How many cores this process may use: of the machine, by affinity, by its control group.

A container of two cores on a machine of 64 sees 64 everywhere else. cgroups(7): `cpu.max` of
version 2, `cpu.cfs_quota_us` of version 1, of the group and of all that it lies in.
"""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(root: Path = ROOT, membership: Path = MEMBERSHIP) -> float:
    """At least 0.01, in hundredths."""
    cores = float(len(os.sched_getaffinity(0)))
    for quota, period in _limits(root, membership):
        if quota > 0 and period > 0:
            cores = min(cores, quota / period)
    return max(0.01, round(cores, 2))


def _limits(root: Path, membership: Path) -> Iterator[tuple[int, int]]:
    """Quota and period, microseconds each; a quota below 1 is none."""
    for line in _text(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        top = root if number == "0" else root / "cpu"
        # Within a container the path may be one of the machine, which is not mounted: the root is.
        group = Path(path.lstrip("/"))
        for one in (group, *group.parents):
            if number == "0":
                quota, _, period = _text(top / one / "cpu.max").partition(" ")
            else:
                quota = _text(top / one / "cpu.cfs_quota_us")
                period = _text(top / one / "cpu.cfs_period_us")
            yield _whole(quota), _whole(period)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _whole(word: str) -> int:
    return int(word) if word.strip().isdigit() else 0
