"""`streamer --check --explain FILE`: what happens to each directive of a file.

Role: for people who bring a configuration from elsewhere. A line a directive: FILE:LINE, a verdict
(`works`, `differs`, `partly`, `no effect`, `error`), the directive, the reason. The verdicts are
those that `--check` has found, put to the directive whose words they point at.
Invariant: no value that may be a secret is shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from media_api.base import ApiModel
from media_api.server import ServerConfig
from media_rest.redact import redact_push, redact_text

from media_streamer.config.differences import difference
from media_streamer.config.grammar import Directive, Word
from media_streamer.config.outline import below, block_of
from media_streamer.config.problems import ConfigProblem
from media_streamer.config.references import UNUSED
from media_streamer.config.sections import Section, section_of
from media_streamer.config.shapes import Shape, Value
from media_streamer.config.special import Credentials, Streams

Verdict = Literal["works", "differs", "partly", "no effect", "error"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Place = tuple[str, int, int]
MAX_SHOWN = 60
_SHOWN = frozenset({"name", "title", "template", "input", "url", "push", "protocols", "include"})
"""Directives whose first word is shown beside those that make named objects: never a secret, or a
URL whose secrets are hidden."""


@dataclass(slots=True)
class Explained:
    """One directive; `reasons` are told behind the verdict."""

    file: str
    line: int
    shown: str
    key: str = ""
    """Of the value that it sets, where it is known."""
    has_options: bool = False
    verdict: Verdict = "works"
    reasons: list[str] = field(default_factory=list)
    checked: bool = False
    """The reasons are those of `--check`, which are the more exact ones."""

    def judge(self, verdict: Verdict, problem: ConfigProblem) -> None:
        """Take the worse of what it is and what `problem` makes of it."""
        if not self.checked or VERDICTS.index(verdict) > VERDICTS.index(self.verdict):
            self.verdict, self.reasons, self.checked = verdict, [], True
        if verdict == self.verdict:
            self.reasons.append(problem.detail + (f" ({problem.hint})" if problem.hint else ""))

    def __str__(self) -> str:
        reasons = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{self.file}:{self.line}: {self.verdict}: {self.shown}{reasons}"


def explain(nodes: Sequence[Directive], problems: Iterable[ConfigProblem]) -> list[Explained]:
    """Each directive of the files in its order; problems that point at none come last."""
    found: dict[Place, Explained] = {}
    lines = list(_walk(nodes, section_of(ServerConfig), found))
    for problem in problems:
        told = found.get((problem.filename, problem.line, problem.col))
        if told is None:
            told = Explained(problem.filename, problem.line, "(the file)")
            lines.append(told)
        if problem.code in ("missing_file", UNUSED) and problem.severity == "warning":
            told.reasons.append(problem.detail)  # it works as soon as the file, the user is there
        else:
            told.judge(_verdict(problem, told), problem)
    return lines


def _verdict(problem: ConfigProblem, told: Explained) -> Verdict:
    """An object of which one option does nothing still does the rest."""
    if problem.severity == "error":
        return "error"
    if told.verdict == "no effect" or not told.has_options:
        return "no effect"
    about = next((part for part in reversed(problem.path) if isinstance(part, str)), "")
    return "no effect" if about in ("", told.key) else "partly"


def summary(lines: Sequence[Explained]) -> str:
    """How many of each verdict."""
    counts = {one: sum(line.verdict == one for line in lines) for one in VERDICTS}
    return ", ".join(f"{count} {one}" for one, count in counts.items() if count) or "no directives"


def _walk(
    nodes: Iterable[Directive], section: Section, found: dict[Place, Explained]
) -> Iterator[Explained]:
    section.complete()
    for node in nodes:
        shape = section.entries.get(node.name.value)
        told = _explained(node, shape, section.model)
        inner = below(shape) if shape is not None else None
        for word in _words(node, deep=inner is None):
            found.setdefault((word.file, word.line, word.col), told)
        yield told
        if inner is not None and node.children:
            yield from _walk(node.children, section_of(inner), found)


def _explained(node: Directive, shape: Shape | None, model: type[ApiModel]) -> Explained:
    name = node.name
    key = shape.key if shape is not None else ""
    told = Explained(name.file, name.line, shown(node, shape), key, _is_object(shape))
    value = node.args[0].value if node.args else ""
    block = block_of(model)
    row = block.row(name.value) if shape is not None else None
    in_vain = all(one.outcome.state == "none" for one in block.rows)
    if row is not None and row.outcome.state == "none" and (in_vain or _is_object(shape)):
        told.verdict = "no effect"
        told.reasons.append(row.outcome.reason)
    elif row is not None and row.outcome.state == "partly" and _is_object(shape):
        told.verdict = "partly"
        told.reasons.append(row.outcome.reason)
    elif row is not None and (note := difference(model, row.key, value)):
        told.verdict = "differs"
        told.reasons.append(note)
    elif row is not None and row.name != name.value and row.key != name.value:
        told.reasons.append(f"written {row.name} here")
    return told


def _is_object(shape: Shape | None) -> bool:
    """It asks for something whatever stands in it."""
    return shape is not None and below(shape) is not None


def _words(node: Directive, *, deep: bool) -> Iterator[Word]:
    """All words that belong to the directive, with the values of its options."""
    yield node.name
    for word in node.args:
        yield word
        option = word.option()
        if option is not None:
            yield option[1]
    if deep:
        for child in node.children or ():
            yield from _words(child, deep=True)


def shown(node: Directive, shape: Shape | None) -> str:
    """The directive as far as it holds no secret."""
    name = node.name.value
    if not node.args:
        return name
    first = node.args[0].value
    if isinstance(shape, Credentials):
        return f"{name} …"
    if name == "push":
        first = redact_push(first)
    elif "://" in first:
        first = redact_text(first)
    elif not (isinstance(shape, Streams) or name in _SHOWN or _is_harmless(shape)):
        return f"{name} …"
    rest = " …" if len(node.args) > 1 else ""
    return f"{name} {first[:MAX_SHOWN]}{rest}"


def _is_harmless(shape: Shape | None) -> bool:
    """Objects begin with their name; numbers, sizes and paths are no secrets."""
    if shape is None:
        return False
    if below(shape) is not None:
        return True
    return isinstance(shape, Value) and shape.key not in _SECRETS


_SECRETS = frozenset({"password", "passphrase", "cluster_key", "jpeg_snapshot_sign_key", "keyseed"})
