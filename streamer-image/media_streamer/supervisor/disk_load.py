"""How busy the disks are: bytes a second that are written, and the share of time spent in it.

Read from /proc alone (proc_diskstats(5), proc_pid_mountinfo(5)), which never waits for a disk that
hangs. What lies on no block device of its own (tmpfs, network, overlays) has no figures.
"""

import re
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

WINDOW_SECONDS = 5.0
SECTOR_BYTES = 512
"""Of the counters, whatever the disk has."""
_OCTAL = re.compile(r"\\([0-7]{3})")


class Counters(NamedTuple):
    """Since the start of the machine."""

    written: int
    """Bytes."""
    busy_ms: int


def mounts_of(mountinfo: str) -> dict[PurePosixPath, str]:
    """Device (`8:1`) by mount point; the last mount at a place hides those before it."""
    found = {}
    for line in mountinfo.splitlines():
        words = line.split(" ")
        if len(words) > 4:
            place = _OCTAL.sub(lambda escape: chr(int(escape[1], 8)), words[4])
            found[PurePosixPath(place)] = words[2]
    return found


def device_of(path: PurePosixPath, mounts: Mapping[PurePosixPath, str]) -> str | None:
    """The device of the mount that `path` (absolute) lies below."""
    places = (path, *path.parents)
    return next((mounts[place] for place in places if place in mounts), None)


def counters_of(diskstats: str) -> dict[str, Counters]:
    """By device."""
    found = {}
    for line in diskstats.splitlines():
        words = line.split()
        if len(words) > 12:
            written, busy_ms = int(words[9]) * SECTOR_BYTES, int(words[12])
            found[f"{words[0]}:{words[1]}"] = Counters(written, busy_ms)
    return found


class DiskLoad:
    """Sampled each second, answered without I/O of a disk."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._samples: deque[tuple[float, dict[str, Counters]]] = deque()
        self._mounts: dict[PurePosixPath, str] = {}

    def sample(self, now: float | None = None) -> None:
        """`now`: monotonic seconds. A machine that hides its disks has no figures."""
        now = time.monotonic() if now is None else now
        try:
            self._samples.append((now, counters_of((self._proc / "diskstats").read_text())))
            self._mounts = mounts_of((self._proc / "self/mountinfo").read_text())
        except (OSError, ValueError):
            return
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()

    def figures(self, path: str) -> dict[str, int]:
        """Part of `media_api.server_status.PartitionStats`, over the last seconds."""
        device = device_of(PurePosixPath(path), self._mounts)
        if device is None or len(self._samples) < 2:
            return {}
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        if device not in first or device not in last or ended <= began:
            return {}
        seconds, before, after = ended - began, first[device], last[device]
        busy = (after.busy_ms - before.busy_ms) / (10 * seconds)
        return {
            "write_bytes_per_second": max(0, round((after.written - before.written) / seconds)),
            "io_util": min(100, max(0, round(busy))),
        }
