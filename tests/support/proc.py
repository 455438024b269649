"""CPU time and memory of processes, from /proc (proc_pid_stat(5), proc_pid_smaps(5))."""

import contextlib
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used, its threads included, to 10 ms."""
    # The name in parentheses may hold blanks; utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def wake_ups(pid: int) -> int:
    """How often the threads of a process have waited for something (voluntary switches)."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(FileNotFoundError):  # the thread has ended
            for line in status.read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    count += int(line.split()[1])
    return count


def memory_mib(pid: int) -> float:
    """Proportional set size in MiB: pages shared by n processes count 1/n in each."""
    return _rollup_kib(pid, "Pss:") / 1024


def resident_mib(pid: int) -> float:
    """Resident set size in MiB."""
    return _rollup_kib(pid, "Rss:") / 1024


def own_memory_mib(pid: int) -> float:
    """What is no file's, in MiB: of maps of files nothing is counted (proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no RssAnon in /proc/{pid}/status")


def _rollup_kib(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ValueError(f"no {name} in /proc/{pid}/smaps_rollup")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command(pid: int) -> list[str]:
    """Command line of a process, empty if it has ended; behind that of a worker room is left."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0")
        return text.split("\0") if text else []
    return []


def holds_peer(pid: int, sock: socket.socket) -> bool:
    """Whether a process has the other end of a connection by TCP over IPv4 (proc_net(5))."""
    ports = (sock.getpeername()[1], sock.getsockname()[1])
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if tuple(int(place.partition(":")[2], 16) for place in fields[1:3]) == ports:
            links = Path(f"/proc/{pid}/fd").iterdir()
            return f"socket:[{fields[9]}]" in {os.readlink(link) for link in links}
    return False


def children(pid: int) -> list[int]:
    """Process ids; none if it has ended."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(word) for word in text.split()]
    return []


class CpuMeter:
    """Percent of one core that some processes use together, since this was made."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self._began = time.monotonic()
        self._before = self._used()
        self._woken_before = self._woken()

    def percent(self) -> float:
        """Raises OSError if one of them has ended."""
        return 100 * (self._used() - self._before) / (time.monotonic() - self._began)

    def wake_ups(self) -> float:
        """A second, of all of them together; unlike CPU time no neighbour changes it."""
        return (self._woken() - self._woken_before) / (time.monotonic() - self._began)

    def _woken(self) -> int:
        return sum(wake_ups(pid) for pid in self._pids)

    def _used(self) -> float:
        return sum(cpu_seconds(pid) for pid in self._pids)
