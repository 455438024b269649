"""Tests that several processes run: each once, by files, whatever becomes of a process."""

import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pool import groups

HEAD = """
import os, pathlib, signal, time
import pytest

HERE = pathlib.Path(__file__).parent

def wrote(name, what):
    with (HERE / name).open("a") as file:
        file.write(f"{what} {os.getpid()}\\n")

@pytest.fixture(autouse=True, scope="module")
def of_file():
    wrote("modules", f"begin {__name__}")
    yield
    wrote("modules", f"end {__name__}")

@pytest.fixture(autouse=True)
def told(request, tmp_path):
    wrote("tests", f"{__name__.rpartition('.')[2]}::{request.node.name}")
    (tmp_path / "mine").touch(exist_ok=False)

def meet(*names):
    # Only processes that run beside each other come on from here.
    (HERE / f"met-{names[0]}").touch()
    until = time.monotonic() + 60
    while not all((HERE / f"met-{name}").exists() for name in names):
        assert time.monotonic() < until
        time.sleep(0.01)
"""


CONFTEST = """
import atexit, os, pathlib, tempfile
import pytest

HERE, PARENT = pathlib.Path(__file__).parent, os.getpid()
MADE = tempfile.TemporaryDirectory()
atexit.register((HERE / f"ended-{PARENT}").touch)

@pytest.fixture(autouse=True, scope="session")
def whole():
    with (HERE / "sessions").open("a") as file:
        print("begin", os.getpid(), file=file, flush=True)
        atexit.register((HERE / f"ended-{os.getpid()}").touch)
        yield
        print("end", os.getpid(), file=file)

def pytest_sessionfinish():
    assert pathlib.Path(MADE.name).exists(), "it is not the processes' to remove"
    MADE.cleanup()

@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if report.failed and os.getpid() == PARENT:
        (HERE / "met-told").touch()
"""


def command(folder: Path, files: dict[str, str], *more: str) -> list[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(HEAD + textwrap.dedent(text))
    return [
        *(sys.executable, "-m", "pytest", "-p", "tests.conftest", f"--rootdir={folder}", "-q"),
        *("--import-mode=importlib", "-p", "no:cacheprovider", "--processes=2", "-ra"),
        *(f"--basetemp={folder / 'tmp'}", f"--junitxml={folder / 'report.xml'}", *more),
        str(folder),
    ]


def run(folder: Path, files: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, files, *more), capture_output=True, text=True, timeout=100, check=False
    )


def lines(folder: Path, name: str) -> list[list[str]]:
    return [line.split() for line in (folder / name).read_text().splitlines()]


def test_each_test_runs_once_and_a_file_in_one_process(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        {
            "a": """
                def test_one(): meet("a", "b")
                def test_fails(capsys):
                    print("said of it")
                    assert 1 == 2
                """,
            "b": """
                def test_one(): meet("b", "a")
                @pytest.mark.skip(reason="why not")
                def test_left(): pass
                """,
            "c": "def test_one(): pass",
            "d": "def test_one(): pass",
        },
    )
    assert said.returncode == 1, said.stdout + said.stderr
    assert "1 failed, 4 passed, 1 skipped" in said.stdout
    assert "assert 1 == 2" in said.stdout
    assert "why not" in said.stdout
    assert said.stdout.count("said of it") == 2, "in the source, and what was captured of it"
    ran = lines(tmp_path, "tests")
    assert Counter(test for test, _ in ran) == Counter(
        f"test_{test}"
        for test in ("a::test_one", "a::test_fails", "b::test_one", "c::test_one", "d::test_one")
    )
    of_file = {test.partition("::")[0]: pid for test, pid in ran}
    assert {(test.partition("::")[0], pid) for test, pid in ran} == set(of_file.items())
    assert of_file["test_a"] != of_file["test_b"]
    modules = Counter(" ".join(line[:-1]) for line in lines(tmp_path, "modules"))
    assert len(modules) == 8
    assert set(modules.values()) == {1}
    sessions = lines(tmp_path, "sessions")
    assert len(sessions) == 4, "fixtures of the session go on from file to file"
    assert {pid for _, pid in sessions} == set(of_file.values())
    assert all((tmp_path / f"ended-{pid}").exists() for pid in of_file.values())
    (suite,) = ET.parse(tmp_path / "report.xml").getroot().iter("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("6", "1", "1")


def test_what_a_process_that_died_left_is_run_by_another(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        {
            "a": """
                def test_before(): meet("a", "b")
                def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
                def test_after(): pass
                """,
            "b": 'def test_one(): meet("b", "a")',
            "c": "def test_leaves(): os._exit(0)",
            "d": "def test_one(): pass",
        },
    )
    assert said.returncode == 1
    assert "2 failed, 4 passed" in said.stdout, said.stdout + said.stderr
    assert "its process ended with signal 9" in said.stdout
    assert "its process ended with status 0" in said.stdout
    ran = [test for test, _ in lines(tmp_path, "tests")]
    assert len(ran) == len(set(ran)) == 6


def test_a_process_that_dies_before_its_first_test_ends_the_run(tmp_path: Path) -> None:
    dying = "import atexit, os\natexit._clear = lambda: os._exit(7)\n"
    said = run(tmp_path, {"a": dying + "def test_one(): pass", "b": "def test_one(): pass"})
    assert said.returncode == 3, "pytest's status of what is no failure of a test"
    assert "ended with status 7 before its first test" in said.stdout


def test_the_first_failure_can_end_all(tmp_path: Path) -> None:
    files = {"a": 'def test_fails():\n    meet("a", "b")\n    assert 0'}
    files["b"] = 'def test_one(): meet("b", "a")\ndef test_two(): meet("b", "told")'
    files |= dict.fromkeys("cdefgh", "def test_one(): pass")
    said = run(tmp_path, files, "-x")
    assert said.returncode == 1
    assert "stopping after 1 failures" in said.stdout
    ran = [test for test, _ in lines(tmp_path, "tests")]
    assert len(ran) < len(files)
    assert [line[0] for line in lines(tmp_path, "sessions")].count("end") == 2


def test_processes_end_in_good_order_when_their_parent_is_killed(tmp_path: Path) -> None:
    files = {name: f'def test_one(): meet("{name}", "a", "b", "killed")' for name in "ab"}
    process = subprocess.Popen(command(tmp_path, files), stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: all((tmp_path / f"met-{name}").exists() for name in "ab"))
    finally:
        process.kill()
        process.wait(30)
        (tmp_path / "met-killed").touch()
    wait_until(lambda: [what for what, _ in lines(tmp_path, "sessions")].count("end") == 2)


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


class Item:
    def __init__(self, file: str, group: str = "") -> None:
        self.path = Path(file)
        self.group = group

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return getattr(pytest.mark, name)(self.group).mark if self.group else None


def test_what_one_process_must_run_is_one_group() -> None:
    items = [Item("b"), Item("a", "server"), Item("b"), Item("c"), Item("c", "server"), Item("a")]
    assert groups(items) == [[0, 2], [1, 4], [3], [5]]  # type: ignore[arg-type]
