"""Which test files take longest: a run that starts with them has no process that works alone at the
end (longest processing time first).

The table says the seconds of the files that take a few; `python -m tests --record` writes it.
"""

import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

TABLE = Path(__file__).resolve().parents[1] / "data" / "seconds.json"
LEAST_SECONDS = 3
"""Of a file in the table: the order of what is shorter does not matter."""


def longest_first(items: list[pytest.Item]) -> None:
    """Sort them by their files; the order of the tests of a file stays."""
    seconds = json.loads(TABLE.read_text())
    items.sort(key=lambda item: -seconds.get(_module(item.nodeid), 0))


def write_table(reports: Iterable[Path]) -> None:
    """From JUnit reports; what they do not tell of stays as it is in the table."""
    seconds: Counter[str] = Counter()
    for report in reports:
        if report.exists():
            for case in ET.parse(report).getroot().iter("testcase"):
                seconds[case.get("classname", "")] += float(case.get("time", 0))
    found = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    found.update({name: round(value) for name, value in seconds.items()})
    longest = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    kept = {name: value for name, value in longest if value >= LEAST_SECONDS}
    TABLE.write_text(json.dumps(kept, indent=1) + "\n")


def _module(nodeid: str) -> str:
    """As JUnit names it: tests.unit.test_docs."""
    return nodeid.partition("::")[0].removesuffix(".py").replace("/", ".")
