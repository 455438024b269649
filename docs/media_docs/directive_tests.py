"""Which test sees a directive of the server do what it says; `tests/unit/media_docs` keeps it."""

import json
from functools import cache
from pathlib import Path

_FILE = Path(__file__).resolve().parents[2] / "tests" / "data" / "directives.json"


@cache
def directive_tests() -> dict[str, str]:
    """`FILE::TEST` below `tests` by directive; empty: there is none yet."""
    found: dict[str, str] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


def shown(directive: str) -> str:
    """For a cell: a link to the file of the test, and the test's name; empty without one."""
    file, _, function = directive_tests().get(directive, "").partition("::")
    if not file:
        return ""
    words = function.removeprefix("test_").replace("_", " ")
    return f"[{words}](../tests/{file})"
