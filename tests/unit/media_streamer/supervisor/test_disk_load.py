from pathlib import Path, PurePosixPath

import pytest
from media_streamer.supervisor.disk_load import Counters, DiskLoad, counters_of, mounts_of

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 27 8:1 / /mnt/disk rw shared:1 - ext4 /dev/sda1 rw
32 27 8:2 / /mnt/disk rw shared:1 - ext4 /dev/sda2 rw
33 27 8:17 / /mnt/with\040space rw - xfs /dev/sdb1 rw
34 27 0:30 / /mnt/nas rw - nfs4 nas:/x rw
"""
DISKS = """ 254       0 vda 100 0 900 5 20 3 {root} 7 0 {root_ms} 12 0 0 0 0 0 0
   8       1 sda1 0 0 0 0 0 0 0 0 0 0 0
   8       2 sda2 0 0 0 0 0 0 {disk} 0 0 {disk_ms} 0
   8      17 sdb1 0 0 0 0 0 0 8 0 0 40 0
broken
"""


def put(proc: Path, **counters: int) -> None:
    (proc / "self").mkdir(exist_ok=True)
    (proc / "self/mountinfo").write_text(MOUNTS)
    (proc / "diskstats").write_text(DISKS.format(**counters))


def test_files_of_the_kernel_are_read() -> None:
    mounts = mounts_of(MOUNTS)
    assert mounts[PurePosixPath("/mnt/disk")] == "8:2"
    assert mounts[PurePosixPath("/mnt/with space")] == "8:17"
    found = counters_of(DISKS.format(root=6, root_ms=9, disk=0, disk_ms=0))
    assert found["254:0"] == Counters(6 * 512, 9)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("path", "written", "busy"),
    [
        ("/", 1024, 10),
        ("/var/dvr", 1024, 10),
        ("/mnt/disk/archive", 4 << 20, 100),
        ("/mnt/with space", 0, 0),
    ],
)
def test_figures_are_those_of_the_disk_below(
    tmp_path: Path, path: str, written: int, busy: int
) -> None:
    load = DiskLoad(tmp_path)
    assert load.figures(path) == {}
    put(tmp_path, root=0, root_ms=0, disk=0, disk_ms=0)
    load.sample(10.0)
    assert load.figures(path) == {}
    put(tmp_path, root=4, root_ms=200, disk=2 * (4 << 20) // 512, disk_ms=2600)
    load.sample(12.0)
    assert load.figures(path) == {"write_bytes_per_second": written, "io_util": busy}


def test_what_has_no_disk_has_no_figures(tmp_path: Path) -> None:
    load = DiskLoad(tmp_path)
    load.sample(1.0)  # nothing there
    for at in (2.0, 3.0, 9.0, 20.0):
        put(tmp_path, root=int(at), root_ms=0, disk=0, disk_ms=0)
        load.sample(at)
    assert load.figures("/mnt/nas/archive") == {}
    assert load.figures("/")["write_bytes_per_second"] == 512  # of the last seconds only


def test_this_machine_is_read() -> None:
    load = DiskLoad()
    load.sample()
    load.sample()
    assert load.figures("/proc") == {}
