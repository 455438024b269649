"""`python -m tests [PART…] [--long]`: the tests in parts, each with what it can bear beside it.

A part is a call of pytest with its own number of processes; what each took is told at the end. The
programs and images of the cluster are built meanwhile from idle CPU time only, so that no test is
slower for it: waiting for real time is most of what the integration tests do.

Nothing is run twice here: a test that fails now and then is a defect of the test or the product.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
REPORTS = REPOSITORY / ".cache" / "tests"
BUILD = [sys.executable, "-m", "local_cluster", "build"]
BUILD_FOLDER = REPOSITORY / "tests" / "cluster"
END_SECONDS = 20
LEAST = 19
"""The lowest priority (setpriority(2))."""


@dataclass(frozen=True)
class Part:
    """Arguments of pytest, and how many processes share its tests."""

    arguments: tuple[str, ...]
    processes: int
    shared_by: str = "loadfile"
    """How the tests are shared among the processes: pytest-xdist's --dist."""
    long: tuple[str, ...] = ()
    """More arguments for the long run."""


PARTS = {
    "unit": Part(("tests/unit",), 2),
    # Most of it waits for a stream to go on in real time: a process uses a fifth of a core.
    "integration": Part(("tests/integration", "tests/cluster", "-m", "not kubernetes"), 7),
    "browser": Part(("tests/browser",), 3),
    # A real API server; in the long run also a cluster of two nodes, which one process has.
    "kubernetes": Part(
        ("tests/integration", "-m", "kubernetes"), 2, "loadgroup", long=("tests/cluster",)
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
    busy: float = 0
    """Percent of all cores that the part used, without what was built meanwhile."""


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

    def finish(self) -> float:
        """Let it make what is left at full speed; the seconds that took."""
        began = time.monotonic()
        while self._process is not None and self._process.poll() is None:
            self._hurry(self._process.pid)
            time.sleep(1)
        return time.monotonic() - began

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


def _run(name: str, long: bool, more: list[str]) -> Result:
    part, report = PARTS[name], REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    print(f"\n== {name}", flush=True)
    arguments = (*part.arguments, *(part.long if long else ()))
    command = [sys.executable, "-m", "pytest", *arguments, f"--junitxml={report}"]
    command += ["-n", str(part.processes), "--dist", part.shared_by, "-q", "--durations=10"]
    environment = dict(os.environ)
    # Else hundreds of processes compile all that they import: half of what it costs to start one.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if long:
        command.append("--long")
        environment.setdefault("HYPOTHESIS_PROFILE", "long")
    began, used = time.monotonic(), _cpu_seconds()
    status = subprocess.run(
        [*command, *more], cwd=REPOSITORY, env=environment, check=False
    ).returncode
    seconds, used = time.monotonic() - began, _cpu_seconds() - used
    busy = 100 * used / seconds / (os.cpu_count() or 1)
    return Result(name, seconds, status, *_counts(report), busy)


def _cpu_seconds() -> float:
    """Of the whole machine (proc_stat(5)): what a part starts and leaves behind counts as well.

    What is nice is the build.
    """
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


def _print(results: list[Result], building: float) -> None:
    print("\npart          tests  failed  skipped   minutes  cores busy")
    for one in results:
        minutes = one.seconds / 60
        counts = f"{one.tests:6} {one.failed:7} {one.skipped:8}"
        print(f"{one.name:12} {counts} {minutes:9.1f} {one.busy:9.0f} %")
    if building >= 1:
        print(f"{'(building)':12} {'':6} {'':7} {'':8} {building / 60:9.1f}")
    total = building + sum(one.seconds for one in results)
    print(f"{'all':12} {sum(one.tests for one in results):6} {'':7} {'':8} {total / 60:9.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--long", action="store_true", help="also what is marked `long`")
    arguments, more = parser.parse_known_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    names = [name for name in PARTS if name in arguments.parts or not arguments.parts]
    REPORTS.mkdir(parents=True, exist_ok=True)
    build, building, results = Build(), 0.0, list[Result]()
    if "kubernetes" in names and os.geteuid() == 0 and "KUBECONFIG" not in os.environ:
        build.start()
    try:
        for name in names:
            if name == "kubernetes":
                building = build.finish()
            results.append(_run(name, arguments.long, more))
    finally:
        build.stop()
    _print(results, building)
    no_tests = 5  # pytest's exit status where -k or -m left none
    return int(any(one.status not in (0, no_tests) for one in results))


if __name__ == "__main__":
    sys.exit(main())
