"""`python -m tests [PART…] [--long]`: the tests in parts, each with what it can bear beside it.

A part is a call of pytest with its own number of processes; what each took is told at the end. Two
lanes of parts run beside each other, so that no core is idle while a part waits for real time or
ends with its last file; a part starts with the files that take longest. What all processes of all
parts use and one makes lies in a folder of the run (tests/support/once.py).

The programs and images of the cluster are built meanwhile from idle CPU time only, so that no test
is slower for it. Where they are built already the part that needs them comes first in its lane, and
what takes all the CPU time that it gets is left for the end, when the other lane leaves some.

Nothing is run twice here: a test that fails now and then is a defect of the test or the product.

With --last-failed a part that passed is left out, and one that says no test that failed is run
whole: its process died, or pytest did not come to its tests.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.longest import TABLE, write_table
from tests.support.once import FOLDER

REPOSITORY = Path(__file__).resolve().parents[1]
REPORTS = REPOSITORY / ".cache" / "tests"
BUILD = [sys.executable, "-m", "local_cluster", "build"]
BUILD_FOLDER = REPOSITORY / "tests" / "cluster"
END_SECONDS = 20
AGAIN = "--last-failed"
PASSED, SOME_FAILED, NO_TESTS = 0, 1, 5
"""Exit statuses of pytest; the last one where -k or -m left none."""
BUILT_SECONDS = 10
"""How long the build is waited for at the beginning: it takes two where nothing is to be built."""
LEAST = 19
"""The lowest priority (setpriority(2))."""


@dataclass(frozen=True)
class Part:
    """Arguments of pytest, and how many processes share its tests."""

    arguments: tuple[str, ...]
    processes: int
    long: tuple[str, ...] = ()
    """More arguments for the long run, which a process more shares."""
    is_aside: bool = False
    """Runs beside the others, in the second lane; what it says is printed when it is over."""


PARTS = {
    # It takes all the CPU time that it gets, and what stands beside it waits for moments: with one
    # process it was the last to end by two minutes.
    "unit": Part(("tests/unit",), 2, is_aside=True),
    # Most of it waits for a stream to go on in real time: a process uses a fifth of a core.
    "integration": Part(("tests/integration", "tests/cluster", "-m", "not kubernetes"), 7),
    "browser": Part(("tests/browser",), 4),
    # A real API server, which one process has; in the long run also a cluster of two nodes, which
    # another one has.
    "kubernetes": Part(
        ("tests/integration", "-m", "kubernetes"),
        1,
        long=("tests/cluster",),
        is_aside=True,
    ),
}


@dataclass(frozen=True)
class Result:
    name: str
    seconds: float
    status: int
    tests: int = 0
    failed: int = 0
    skipped: int = 0
    cpu_seconds: float = 0.0
    """Of its processes, but those that ended as nobody's children."""


class Build:
    """The cluster's programs and images, made from CPU time that nobody else wants."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        idle = ["nice", "-n", str(LEAST)]
        if shutil.which("chrt"):
            idle += ["chrt", "--idle", "0"]
        with (REPORTS / "cluster-build.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*idle, *BUILD], cwd=BUILD_FOLDER, stdout=log, stderr=log, start_new_session=True
            )

    def is_over(self, seconds: float) -> bool:
        """Whether nothing is to be built, or it is done within that time."""
        if self._process is None:
            return True
        try:
            return self._process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False

    def finish(self, is_urgent: threading.Event) -> float:
        """Wait for it; once nothing else is left to do it makes what is left at full speed. The
        seconds that nothing else was done."""
        began = None
        while self._process is not None and self._process.poll() is None:
            if is_urgent.is_set():
                began = began or time.monotonic()
                self._hurry(self._process.pid)
            time.sleep(1)
        return time.monotonic() - began if began else 0.0

    def _hurry(self, session: int) -> None:
        """Its processes get their share of the CPU; a scheduling class is a thread's."""
        for task in Path("/proc").glob("[0-9]*/task/[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if os.getsid(int(task.parts[2])) == session:
                    os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))
                    os.setpriority(os.PRIO_PROCESS, int(task.name), 0)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(END_SECONDS)


def _status_file(name: str) -> Path:
    """Where the exit status of a part's last run stands; none while it runs."""
    return REPORTS / f"{name}.status"


def _of_repeat(name: str, more: list[str]) -> list[str] | None:
    """Arguments with which a part is run again, after how it ended; None: it is not."""
    try:
        status = int(_status_file(name).read_text())
    except (OSError, ValueError):  # nobody was there to write it
        status = None
    if status in (PASSED, NO_TESTS):
        return None
    try:
        failed = json.loads((REPORTS / name / "v" / "cache" / "lastfailed").read_text())
    except (OSError, ValueError):
        failed = {}
    if status == SOME_FAILED and failed:
        return more
    return [one for one in more if not one.startswith(AGAIN)]


def _run(name: str, long: bool, more: list[str], folder: str) -> Result:
    if AGAIN in more:
        if (again := _of_repeat(name, more)) is None:
            return Result(name, 0.0, PASSED)
        more = again
    part, report = PARTS[name], REPORTS / f"{name}.xml"
    for one in (report, _status_file(name)):
        one.unlink(missing_ok=True)
    is_long = long and bool(part.long)
    # What failed is run again one test after another: how it fails is to be seen.
    processes = 1 if AGAIN in more else part.processes + is_long
    command = [sys.executable, "-m", "pytest", *part.arguments, *(part.long if is_long else ())]
    command += [f"--junitxml={report}", "-q", "--durations=10", "--longest-first"]
    command += [f"--processes={processes}"]
    command += ["-o", f"cache_dir={REPORTS / name}"]  # parts beside each other, each what failed
    environment = {**os.environ, FOLDER: folder}
    # Else hundreds of processes compile all that they import: half of what it costs to start one.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if long:
        command.append("--long")
        environment.setdefault("HYPOTHESIS_PROFILE", "long")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        said = None
        if part.is_aside:
            said = stack.enter_context((REPORTS / f"{name}.log").open("w+"))
        else:
            print(f"\n== {name}", flush=True)
        process = subprocess.Popen(
            [*command, *more], cwd=REPOSITORY, env=environment, stdout=said, stderr=said
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except KeyboardInterrupt:  # which it has heard as well
            process.wait(END_SECONDS)
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        _status_file(name).write_text(f"{process.returncode}\n")
        if said is not None:
            said.seek(0)
            print(f"\n== {name}\n{said.read()}", end="", flush=True)
    seconds, cpu_seconds = time.monotonic() - began, used.ru_utime + used.ru_stime
    return Result(name, seconds, process.returncode, *_counts(report), cpu_seconds)


def _cpu_seconds() -> float:
    """Of the whole machine (proc_stat(5)). What is nice is the build."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    user, _, system, _, _, interrupts, soft, _ = map(int, fields)
    return (user + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def _counts(report: Path) -> tuple[int, int, int]:
    """Tests, failures and errors, skipped tests of a JUnit report."""
    if not report.exists():
        return 0, 0, 0
    (suite,) = ET.parse(report).getroot().iter("testsuite")
    tests, failures, errors, skipped = (
        int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")
    )
    return tests, failures + errors, skipped


def _print(results: list[Result], seconds: float, building: float, busy: float) -> None:
    print("\npart          tests  failed  skipped   minutes  CPU minutes")
    for one in results:
        counts = f"{one.tests:6} {one.failed:7} {one.skipped:8}"
        print(f"{one.name:12} {counts} {one.seconds / 60:9.1f} {one.cpu_seconds / 60:12.1f}")
    if building >= 1:
        print(f"{'(building)':12} {'':6} {'':7} {'':8} {building / 60:9.1f}")
    counts = f"{sum(one.tests for one in results):6} {sum(one.failed for one in results):7}"
    print(f"{'all':12} {counts} {'':8} {seconds / 60:9.1f} {busy:11.0f} % of all cores")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--long", action="store_true", help="also what is marked `long`")
    parser.add_argument(
        "--record", action="store_true", help=f"write what files take into {TABLE.name}"
    )
    arguments, more = parser.parse_known_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    names = [name for name in PARTS if name in arguments.parts or not arguments.parts]
    REPORTS.mkdir(parents=True, exist_ok=True)
    if AGAIN not in more:
        for name in names:  # what is broken off before a part's turn tells nothing of it
            _status_file(name).unlink(missing_ok=True)
    build, is_urgent, is_broken_off = Build(), threading.Event(), threading.Event()
    building, began, used = 0.0, time.monotonic(), _cpu_seconds()
    if "kubernetes" in names and os.geteuid() == 0 and "KUBECONFIG" not in os.environ:
        build.start()
    beside = [name for name in names if PARTS[name].is_aside]
    if build.is_over(BUILT_SECONDS):
        beside.reverse()

    def lane(parts: list[str], folder: str) -> list[Result]:
        nonlocal building
        found = []
        for name in parts:
            if name == "kubernetes":
                building = build.finish(is_urgent)
            if is_broken_off.is_set():
                break
            found.append(_run(name, arguments.long, more, folder))
        return found

    try:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as other:
            aside = other.submit(lane, beside, folder)
            try:
                first = lane([name for name in names if not PARTS[name].is_aside], folder)
            except KeyboardInterrupt:
                is_broken_off.set()
                build.stop()
                raise
            is_urgent.set()
            results = [*first, *aside.result()]
    finally:
        build.stop()
    results.sort(key=lambda one: names.index(one.name))
    seconds = time.monotonic() - began
    busy = 100 * (_cpu_seconds() - used) / seconds / (os.cpu_count() or 1)
    _print(results, seconds, building, busy)
    if arguments.record:
        write_table(REPORTS / f"{name}.xml" for name in names)
    return int(any(one.status not in (PASSED, NO_TESTS) for one in results))


if __name__ == "__main__":
    sys.exit(main())
