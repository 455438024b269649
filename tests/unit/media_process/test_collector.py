"""When a full pass over cyclic garbage may begin."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
from media_process.collector import LEAST_PAUSE_SECONDS, NEVER, PAUSE_FACTOR, Collector


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def full_after() -> int:
    return gc.get_threshold()[2]


def test_full_passes_are_rare() -> None:
    now = 0.0
    collector = Collector(lambda: now)
    usual = full_after()
    collector.hold()
    assert full_after() == NEVER
    collector("stop", {"generation": 1})
    assert full_after() == NEVER, "it is not time"
    now = LEAST_PAUSE_SECONDS
    collector("stop", {"generation": 0})
    assert full_after() == NEVER, "it is looked at now and then only"
    collector("stop", {"generation": 1})
    assert full_after() == usual
    collector("start", {"generation": 2})
    now += 0.5
    collector("stop", {"generation": 2})
    assert full_after() == NEVER
    assert collector.due == now + PAUSE_FACTOR * 0.5
    collector("start", {"generation": 2})
    collector("stop", {"generation": 2})
    assert collector.due == now + LEAST_PAUSE_SECONDS, "a short one"


def test_a_process_that_has_settled() -> None:
    code = """
import gc
from media_process import collector
collector.hold_off()
assert not gc.isenabled()
collector.settle()
assert gc.get_freeze_count() > 1000
full = []
gc.callbacks.append(lambda phase, info: info["generation"] == 2 and full.append(phase))
kept = []
for _ in range(300_000):
    kept.append([kept])
assert not full, full
assert gc.get_stats()[1]["collections"] > 10
assert gc.collect() == 0
assert len(full) == 2
before = gc.get_freeze_count()
collector.keep()
assert gc.get_freeze_count() > before + 300_000
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_nothing_is_kept_for_a_program_that_has_not_settled() -> None:
    code = """
import gc
from media_process import collector
collector.keep()
assert not gc.get_freeze_count()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
