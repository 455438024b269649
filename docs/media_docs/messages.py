"""Tables of what the programs log from `warning` on: read from the calls themselves.

They are made when the site is built (docs/conf.py), for they change with every line of code.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from media_docs.tables import cell, code, table

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "streamer": "streamer-image/media_streamer",
    "central": "central-image/media_central",
    "operator": "operator/media_operator",
}
LEVELS = ("warning", "error", "exception", "critical")
PLACE = re.compile(r"%\d*(?:\.\d+)?[sdrfi]")


@dataclass(frozen=True, order=True)
class Message:
    """`text` with … for what is filled in; `place` is the module that says it."""

    text: str
    level: str
    place: str


def _logged(path: Path) -> Iterator[tuple[str, str]]:
    """(level, format) of each call `log.LEVEL("…", …)` of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in ("log", "logger")
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            level = "error" if node.func.attr == "exception" else node.func.attr
            yield level, PLACE.sub("…", node.args[0].value)


@cache
def found(program: str) -> list[Message]:
    """Messages of a program, by their text; each once."""
    root = ROOT / PROGRAMS[program]
    return sorted(
        {
            Message(text, level, str(path.relative_to(root).with_suffix("")))
            for path in root.rglob("*.py")
            for level, text in _logged(path)
        }
    )


def messages(program: str) -> str:
    return table(
        ("message", "level", "said by"),
        [(code(cell(one.text).replace("`", "'")), one.level, one.place) for one in found(program)],
    )


TABLES = {program: partial(messages, program) for program in PROGRAMS}
