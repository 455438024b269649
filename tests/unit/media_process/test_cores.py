"""Cores by affinity and control groups, in made-up trees."""

import os
from pathlib import Path

import pytest
from media_process.cores import usable_cores

ALL = float(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/a/b", {"a/cpu.max": "25000 100000", "a/b/cpu.max": "max 100000"}, 0.25),
        ("0::/of/the/machine", {"cpu.max": "75000 100000"}, 0.75),
        (
            "5:memory:/x\n4:cpu,cpuacct:/pod",
            {"cpu/pod/cpu.cfs_quota_us": "20000", "cpu/pod/cpu.cfs_period_us": "100000"},
            0.2,
        ),
        (
            "4:cpu:/",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            ALL,
        ),
        ("0::/", {"cpu.max": "max 100000"}, ALL),
        ("0::/", {"cpu.max": "99999999 1"}, ALL),
        ("", {}, ALL),
        ("nonsense\n::\n0::../..", {"cpu.max": "x y z"}, ALL),
    ],
)
def test_the_least_of_all_limits(
    tmp_path: Path, membership: str, files: dict[str, str], cores: float
) -> None:
    (tmp_path / "member").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert usable_cores(tmp_path / "root", tmp_path / "member") == cores
