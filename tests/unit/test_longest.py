"""The order in which the files of a whole run begin."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import longest

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="one" time="2.0"/>
<testcase classname="tests.unit.test_a" name="two" time="2.6"/>
<testcase classname="tests.unit.test_b" name="one" time="1.0"/>
</testsuite></testsuites>"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "seconds.json"
    monkeypatch.setattr(longest, "TABLE", path)
    return path


def test_long_files_come_first_each_in_its_order(table: Path) -> None:
    table.write_text(json.dumps({"tests.unit.test_c": 9, "tests.unit.test_b": 4}))
    nodes = ["a.py::x", "b.py::z", "b.py::a[1/2.py]", "c.py::x", "a.py::b"]
    items = [SimpleNamespace(nodeid=f"tests/unit/test_{node}") for node in nodes]
    longest.longest_first(items)  # type: ignore[arg-type]
    found = [item.nodeid.removeprefix("tests/unit/test_") for item in items]
    assert found == ["c.py::x", "b.py::z", "b.py::a[1/2.py]", "a.py::x", "a.py::b"]


def test_a_table_is_of_the_reports_and_of_what_they_do_not_tell(
    table: Path, tmp_path: Path
) -> None:
    table.write_text(json.dumps({"tests.unit.test_b": 7, "tests.unit.test_c": 4}))
    report = tmp_path / "unit.xml"
    report.write_text(REPORT)
    longest.write_table([report, tmp_path / "absent.xml"])
    kept = json.loads(table.read_text())
    assert list(kept.items()) == [("tests.unit.test_a", 5), ("tests.unit.test_c", 4)]


def test_the_table_names_files_that_are_there() -> None:
    root = longest.TABLE.parents[2]
    for name in json.loads(longest.TABLE.read_text()):
        assert (root / f"{name.replace('.', '/')}.py").exists(), name
