"""What is run once more of a run in parts."""

import json
import textwrap
from pathlib import Path

import pytest

from tests import __main__ as runner

AGAIN = ["--last-failed", "--last-failed-no-failures=none"]


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runner, "REPORTS", tmp_path / "reports")
    (tmp_path / "reports").mkdir()
    return tmp_path / "reports"


def ended(reports: Path, status: int | None, failed: list[str] | None) -> None:
    """A part `one` that ended so; None: nothing was written."""
    if status is not None:
        (reports / "one.status").write_text(f"{status}\n")
    if failed is not None:
        cache = reports / "one" / "v" / "cache"
        cache.mkdir(parents=True)
        (cache / "lastfailed").write_text(json.dumps(dict.fromkeys(failed, True)))


@pytest.mark.parametrize(
    ("status", "failed", "arguments"),
    [
        (0, None, None),
        (0, ["of an older run"], None),
        (5, None, None),
        (1, ["test_a.py::test"], ["-x", *AGAIN]),
        (1, [], ["-x"]),
        (1, None, ["-x"]),
        (2, ["test_a.py"], ["-x"]),
        (3, None, ["-x"]),
        (-9, ["of an older run"], ["-x"]),
        (None, ["of an older run"], ["-x"]),
    ],
)
def test_what_is_run_again(
    reports: Path, status: int | None, failed: list[str] | None, arguments: list[str] | None
) -> None:
    ended(reports, status, failed)
    assert runner._of_repeat("one", ["-x", *AGAIN]) == arguments


def test_a_part_whose_process_dies_is_run_whole(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "test_dying.py"
    file.write_text(
        textwrap.dedent(f"""
            import os, pathlib, signal

            def test_first():
                pass

            def test_dies_once():
                mark = pathlib.Path({str(tmp_path / "died")!r})
                if not mark.exists():
                    mark.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            """)
    )
    part = runner.Part(("-p", "tests.conftest", f"--rootdir={tmp_path}", str(file)), 1)
    monkeypatch.setattr(runner, "PARTS", {"one": part})
    assert runner._run("one", False, [], str(tmp_path)).status == -9
    found = runner._run("one", False, AGAIN, str(tmp_path))
    assert (found.status, found.tests) == (0, 2)
    assert runner._run("one", False, AGAIN, str(tmp_path)).tests == 0, "it has passed"
