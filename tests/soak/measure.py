"""What a streamer uses: memory, descriptors and threads by kind of process, files, log."""

import os
from pathlib import Path

from tests.support.streamer import Streamer

PAGE = os.sysconf("SC_PAGE_SIZE")
KINDS = ("supervisor", "egress", "media")
FLOORS = {"MiB": 4.0, "descriptors": 6.0, "threads": 4.0, "KiB of log": 4.0}
"""What a quantity may rise by over a run, whatever its slope."""


def measure(streamer: Streamer) -> dict[str, float]:
    """Quantity -> amount now; the last word of a name is its unit."""
    assert streamer.process is not None
    processes = {
        "supervisor": [streamer.process.pid, streamer.supervisor],
        "egress": [],
        "media": [],
    }
    for pid in streamer.children():
        words = _read(pid, "cmdline").split(b"\0")
        for kind in ("egress", "media"):
            if f"media_streamer.{kind}.worker".encode() in words:
                processes[kind].append(pid)
    found = {}
    for kind, pids in processes.items():
        found[f"{kind} MiB"] = sum(map(_memory, pids)) / 1024 / 1024
        found[f"{kind} descriptors"] = float(sum(map(_descriptors, pids)))
        found[f"{kind} threads"] = float(sum(map(_threads, pids)))
    found["segments MiB"] = _size(streamer.directory / "segments") / 1024 / 1024
    found["streamer KiB of log"] = (streamer.directory / "log").stat().st_size / 1024
    return found


def floor(name: str) -> float:
    return FLOORS[name.split(" ", 1)[1]]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _memory(pid: int) -> int:
    """Bytes that the process alone keeps in memory (proc(5), statm)."""
    words = _read(pid, "statm").split()
    return (int(words[1]) - int(words[2])) * PAGE if words else 0


def _threads(pid: int) -> int:
    for line in _read(pid, "status").splitlines():
        if line.startswith(b"Threads:"):
            return int(line.split()[1])
    return 0


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _size(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue  # it was removed meanwhile
    return total
