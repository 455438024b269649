"""Which test sees a directive do what it says, or sets it; `tests/unit/media_docs` keeps it.

Of the server itself (`directives.json`) each names the test that observes it. Of all other objects
(`options.json`) each names a test that sets it on something that runs.
"""

import json
from functools import cache
from pathlib import Path

_DATA = Path(__file__).resolve().parents[2] / "tests" / "data"


@cache
def directive_tests() -> dict[str, str]:
    """`FILE::TEST` below `tests` by directive of the server."""
    found: dict[str, str] = json.loads((_DATA / "directives.json").read_text(encoding="utf-8"))
    return found


@cache
def option_tests() -> dict[str, dict[str, str]]:
    """The same by object, as its first directive is called, and by its directives."""
    text = (_DATA / "options.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


@cache
def unit_tests_suffice() -> dict[str, str]:
    """Why nobody at the other end is needed to see it, by `OBJECT.OPTION`."""
    text = (_DATA / "unit_tests_suffice.json").read_text(encoding="utf-8")
    return {option: one["why"] for one in json.loads(text) for option in one["options"]}


def shown(test: str) -> str:
    """For a cell: a link to the file of the test, and the test's name."""
    file, _, function = test.partition("::")
    if not file:
        return ""
    words = function.removeprefix("test_").replace("_", " ")
    return f"[{words}](../tests/{file})"
