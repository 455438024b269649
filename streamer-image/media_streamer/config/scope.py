"""Where a directive puts its values while the tree is read.

Role: a `Scope` is one JSON object under construction: it knows its place in the configuration, so
that each value set leaves its position in the file behind, and a value that pydantic refuses later
can be shown at its word. A `Reading` holds what the scopes of one configuration share.
"""

from dataclasses import dataclass, field
from typing import Any

from media_streamer.config.grammar import Directive, Word
from media_streamer.config.problems import MAX_PROBLEMS, ConfigProblem, PathPart, Severity

Path = tuple[PathPart, ...]


@dataclass(slots=True)
class Reading:
    """Problems, positions of values by JSON path, and directives that belong to the top level."""

    problems: list[ConfigProblem] = field(default_factory=list)
    positions: dict[Path, Word] = field(default_factory=dict)
    lifted: list[Directive] = field(default_factory=list)

    def problem(
        self, word: Word, path: Path, code: str, detail: str, hint: str = "", *, warn: bool = False
    ) -> None:
        """Record a problem at `word`."""
        if len(self.problems) >= MAX_PROBLEMS:
            return
        severity: Severity = "warning" if warn else "error"
        self.problems.append(
            ConfigProblem(word.line, word.col, path, code, detail, word.file, hint, severity)
        )

    def position(self, path: Path) -> Word | None:
        """The word of the value at `path`, or of the nearest object around it."""
        for length in range(len(path), -1, -1):
            if (word := self.positions.get(path[:length])) is not None:
                return word
        return None


@dataclass(slots=True)
class Scope:
    """One JSON object: `values` in the making, at `path`, begun by the word `at`."""

    reading: Reading
    path: Path
    at: Word
    values: dict[str, Any] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)  # key -> directive that set it

    def problem(self, word: Word, code: str, detail: str, hint: str = "") -> None:
        """Record an error at `word`."""
        self.reading.problem(word, self.path, code, detail, hint)

    def set(self, key: str, value: Any, word: Word, directive: str = "") -> None:
        """Set `key` once; a second time is an error, because nobody knows which was meant."""
        if key in self.values:
            first = self.reading.positions.get((*self.path, key))
            where = f", first in line {first.line}" if first else ""
            before = self.spelled.get(key, key)
            if directive and before != directive:
                detail = f"{directive} means the same as {before}{where}: give only one of them"
            else:
                detail = f"{directive or key} is given twice{where}"
            self.reading.problem(word, (*self.path, key), "duplicate_directive", detail)
            return
        self.values[key] = value
        self.spelled[key] = directive or key
        self.reading.positions[(*self.path, key)] = word

    def append(self, key: str, value: Any, word: Word) -> None:
        """Append to the list `key`."""
        items = self.values.setdefault(key, [])
        self.reading.positions[(*self.path, key, len(items))] = word
        items.append(value)

    def below(self, key: str, index: PathPart | None, at: Word) -> "Scope":
        """Scope of the object `key` or of its item `index`."""
        path = (*self.path, key) if index is None else (*self.path, key, index)
        self.reading.positions.setdefault(path, at)
        return Scope(self.reading, path, at)
