"""The busiest loop, from files like those of /proc."""

import os
from pathlib import Path

from media_streamer.supervisor.loop_load import LoopLoad

TICKS = os.sysconf("SC_CLK_TCK")


def write(proc: Path, pid: int, user: float, system: float) -> None:
    folder = proc / str(pid) / "task" / str(pid)
    folder.mkdir(parents=True, exist_ok=True)
    words = ["S", *"0" * 10, str(int(user * TICKS)), str(int(system * TICKS)), "0", "0"]
    (folder / "stat").write_text(f"{pid} (a ) b) {' '.join(words)}")


def test_it_is_that_of_the_busiest_process(tmp_path: Path) -> None:
    load = LoopLoad(tmp_path)
    write(tmp_path, 1, 1, 0)
    write(tmp_path, 2, 5, 5)
    load.sample([1, 2, 3], 100.0)
    assert load.percent == 0
    write(tmp_path, 1, 2, 0)
    write(tmp_path, 2, 7, 7)
    load.sample([1, 2], 110.0)
    assert load.percent == 40
    load.sample([1, 2], 111.0)
    assert load.percent == 40, "a window has not passed"


def test_a_process_that_ended_or_is_new_has_none(tmp_path: Path) -> None:
    load = LoopLoad(tmp_path)
    load.sample([9], 100.0)
    write(tmp_path, 9, 50, 0)
    load.sample([9], 110.0)
    assert load.percent == 0
