"""What is wrong in a configuration file, and where.

Role: one record for every error of the grammar, the directives, the values and the files named,
so that `--check`, the log, `config_error` of the API and the editor in the UI show the same thing.
Invariant: neither `detail` nor `hint` shows a password, a key or the user part of a URL.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

PathPart = str | int
Severity = Literal["error", "warning"]

SYNTAX_CODES = frozenset(
    {"syntax_error", "missing_semicolon", "unclosed_block", "unterminated_quote", "too_many_errors"}
)
"""After one of these nobody can say where a directive of the file ends."""

MAX_PROBLEMS = 10_000
"""A file that is not a configuration at all must not fill the memory with its errors."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One error or warning. `line` and `col` count from 1; (0, 0) is the file as a whole.

    `path` names the value in the API's JSON: ("streams", 0, "inputs", 0, "url").
    """

    line: int
    col: int
    path: tuple[PathPart, ...]
    code: str
    detail: str
    filename: str = ""
    hint: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """FILE:LINE:COL: severity: detail (hint) [code]."""
        hint = f" ({self.hint})" if self.hint else ""
        where = f"{self.filename}:{self.line}:{self.col}"
        return f"{where}: {self.severity}: {self.detail}{hint} [{self.code}]"

    def as_json(self) -> dict[str, Any]:
        """The problem as an object of the API."""
        return {
            "error": self.code,
            "line": self.line,
            "col": self.col,
            "path": list(self.path),
            "detail": f"{self.detail} ({self.hint})" if self.hint else self.detail,
            "file": self.filename,
        }


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean X?` if one of `known` is close to `word`, else an empty text."""
    close = difflib.get_close_matches(word[:64], list(known), n=3, cutoff=0.65)
    if not close:
        return ""
    # Swapped letters are the commonest slip, and the ratio does not see them: rmtp is rtmp.
    swapped = [candidate for candidate in close if sorted(candidate) == sorted(word)]
    return f"did you mean {(swapped or close)[0]}?"
