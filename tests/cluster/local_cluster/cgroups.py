"""Control groups of the nodes, for cgroup v1 and v2 hosts.

Role: a node's kubelet keeps its pods below ``/mc-NODE`` of every hierarchy, so that two kubelets
do not share ``/kubepods``, and so that a node's containers can be found and ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from local_cluster.processes import POLL_S, ClusterError, signal_all

ROOT = Path("/sys/fs/cgroup")
DOCKER = "mc-docker"
KILL_TIMEOUT_S = 15.0


def _hierarchies() -> list[Path]:
    """The mount point of every hierarchy: one on a v2 host, one a controller on a v1 host."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    # A symbolic link (cpu -> cpu,cpuacct) would name the same hierarchy twice.
    return [path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink()]


def make(name: str) -> None:
    """Make the group in every hierarchy, ready to take processes."""
    for hierarchy in _hierarchies():
        controllers = hierarchy / "cgroup.controllers"
        if hierarchy == ROOT:  # v2: children get a controller only where the parent hands it on
            wanted = [f"+{c}" for c in controllers.read_text().split()]
            (hierarchy / "cgroup.subtree_control").write_text(" ".join(wanted))
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        # In v1 an empty cpuset refuses processes (cpusets(7)).
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if hierarchy != ROOT and (group / setting).exists():
                (group / setting).write_text((hierarchy / setting).read_text())


def _pids(name: str) -> set[int]:
    pids: set[int] = set()
    for hierarchy in _hierarchies():
        for procs in (hierarchy / name).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # the group ended meanwhile
                pids.update(int(line) for line in procs.read_text().split())
    return pids - {0}


def kill(name: str) -> None:
    """End every process of the group and its children by SIGKILL."""
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while pids := _pids(name):
        if time.monotonic() > deadline:
            raise ClusterError(f"control group {name}: processes {sorted(pids)} do not end")
        signal_all(pids, signal.SIGKILL)
        time.sleep(POLL_S)


def remove(name: str) -> None:
    """End what runs in the group, and remove it everywhere."""
    kill(name)
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            with contextlib.suppress(FileNotFoundError):
                Path(folder).rmdir()
