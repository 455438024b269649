"""Shapes of directives: how words become one JSON value and a value becomes words again.

Role: the vocabulary of the table in `directives.py`. Each shape reads and writes, so that the two
cannot drift apart. Values stay text where the model converts them: types and ranges are told by
`media_api` alone.

Invariant: read(write(value)) == value for every value that the model of the field accepts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from media_api.units import format_duration, format_rate, format_size, parse_duration

from media_streamer.config.grammar import Directive, Word, quote
from media_streamer.config.scope import Scope

TRUE = {"true", "yes", "on"}
FALSE = {"false", "no", "off"}
MISSING = object()


@dataclass(slots=True)
class Line:
    """One directive to write: words (quoted already) and the lines of its block, if any."""

    words: list[str]
    children: "list[Line] | None" = None


class Shape:
    """Base: a directive that sets `key` of the object around it."""

    key: str
    repeatable = False  # further words or lines add to a list
    free_words = False  # the words may equal names of directives: no guess of a missing `;`

    def read(self, node: Directive, scope: Scope) -> None:
        """Put the value of `node` into `scope`, or record what is wrong."""
        raise NotImplementedError

    def write(self, name: str, value: Any) -> list[Line]:
        """Lines that read as `value`."""
        raise NotImplementedError

    def inline(self, name: str, value: Any) -> list[str] | None:
        """Words of `value` as options of a line (`key=value`), None if it needs a block."""
        return None


def no_block(node: Directive, scope: Scope) -> None:
    """Record an error if `node` has a block."""
    if node.children is not None:
        at = node.children[0].name if node.children else node.name
        scope.problem(at, "unexpected_block", f"{node.name.value} takes no block")


def too_many(word: Word, node: Directive, scope: Scope) -> None:
    """Record that `word` is one more than `node` takes."""
    if word.line > node.name.line:
        hint = "is ; missing at the end of the line before?"
    elif word.value[:1].isdigit() or (node.args and node.args[0].value.isdecimal()):
        hint = "durations are 90, 48h or 7d, sizes 40G, rates 10M, in one word"
    else:
        hint = 'quote it: "…"'
    scope.problem(
        word, "unexpected_value", f"{node.name.value} does not take {show(word.value)} here", hint
    )


def show(text: str) -> str:
    """`text` short enough for a message."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def scalar_text(value: Any) -> str:
    """Text of a JSON scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


FORMATS: dict[str, Callable[[Any], str]] = {
    "": scalar_text,
    "seconds": lambda value: scalar_text(value) if isinstance(value, bool) else _duration(value),
    "percent": lambda value: f"{value}%",
    "size": lambda value: format_size(value),
    "rate": lambda value: format_rate(value),
    "ms_as_seconds": lambda value: f"{value / 1000:.3f}".rstrip("0").rstrip("."),
}


def _duration(value: Any) -> str:
    # Hours and days read better than seconds; minutes and below are mostly written in seconds.
    return format_duration(value) if value and value % 3600 == 0 else str(value)


def milliseconds(text: str) -> Any:
    """Milliseconds from seconds in the file: `4`, `2.5`, `4s`; other text goes to the model."""
    try:
        return round(float(text) * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_duration(text) * 1000
    except ValueError:
        return text


@dataclass(slots=True)
class Value(Shape):
    """`name VALUE;`. `bare` is what `name;` means, where that is legal."""

    key: str
    unit: str = ""
    bare: Any = MISSING
    convert: Callable[[str], Any] | None = None
    booleans: bool = False  # `true` and `false` are booleans although the field takes text too
    integers: bool = False  # the same for numbers

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        if node.args:
            for word in node.args[1:]:
                too_many(word, node, scope)
            scope.set(self.key, self.value(node.args[0].value), node.args[0], node.name.value)
        elif self.bare is not MISSING:
            scope.set(self.key, self.bare, node.name, node.name.value)
        else:
            scope.problem(node.name, "missing_value", f"{node.name.value} needs a value")

    def value(self, text: str) -> Any:
        """JSON value of one word."""
        if self.convert is not None:
            return self.convert(text)
        if self.unit == "ms_as_seconds":
            return milliseconds(text)
        if self.booleans and text.lower() in TRUE | FALSE:
            return text.lower() in TRUE
        # 4300 digits are Python's own limit of int(); the model knows the real one.
        if self.integers and text.isascii() and text.isdigit() and len(text) < 20:
            return int(text)
        return text

    def text(self, value: Any) -> str:
        """One word, not quoted."""
        return FORMATS[self.unit](value)

    def write(self, name: str, value: Any) -> list[Line]:
        if value is True and self.bare is True:
            return [Line([name])]
        return [Line([name, quote(self.text(value))])]

    def inline(self, name: str, value: Any) -> list[str] | None:
        if value is True and self.bare is True:
            return [name]
        return [f"{name}={quote(self.text(value), after_equals=True)}"]


@dataclass(slots=True)
class Text(Value):
    """`title Any words here;`: the words are one text."""

    free_words = True

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        if not node.args:
            scope.problem(node.name, "missing_value", f"{node.name.value} needs a text")
            return
        text = " ".join(word.value for word in node.args)
        scope.set(self.key, text, node.args[0], node.name.value)


@dataclass(slots=True)
class Constant(Shape):
    """`name;` stands for a fixed value of a key that another directive writes."""

    key: str
    value: Any

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        if node.args and node.args[0].value.lower() in FALSE:
            return
        for word in node.args[1:]:
            too_many(word, node, scope)
        scope.set(self.key, self.value, node.name, node.name.value)


@dataclass(slots=True)
class Words(Shape):
    """`name A B C;` or `name=A,B,C`: a list of scalars. Several lines add up."""

    key: str
    free_words: bool = False
    repeatable = True
    commas: bool = True  # a comma separates items too

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        items: list[str] = scope.values.setdefault(self.key, [])
        scope.reading.positions.setdefault((*scope.path, self.key), node.name)
        for word in node.args:
            # A quoted word is one item: the writer quotes items with commas.
            whole = word.raw.startswith(('"', "'")) or not self.commas
            for item in [word.value] if whole else filter(None, word.value.split(",")):
                scope.reading.positions[(*scope.path, self.key, len(items))] = word
                items.append(item)

    def write(self, name: str, value: Any) -> list[Line]:
        return [Line([name, *(self._word(scalar_text(item)) for item in value)])]

    def _word(self, text: str) -> str:
        return quote(text, force=self.commas and "," in text)

    def inline(self, name: str, value: Any) -> list[str] | None:
        texts = [scalar_text(item) for item in value]
        if not texts or any("," in text or quote(text) != text for text in texts):
            return None
        return [f"{name}={','.join(texts)}"]


@dataclass(slots=True)
class Map(Shape):
    """`name { key value; }`, `name key value;` or `name key=value …;`: free keys and texts."""

    key: str

    def read(self, node: Directive, scope: Scope) -> None:
        values: dict[str, str] = scope.values.setdefault(self.key, {})
        at = scope.below(self.key, None, node.name)
        at.values = values
        options = [word.option() for word in node.args]
        if any(option is None for option in options):
            self._pair(node, at)
        else:
            for option in filter(None, options):
                at.set(option[0].value, option[1].value, option[1])
        for child in node.children or ():
            no_block(child, at)
            text = " ".join(word.value for word in child.args)
            at.set(child.name.value, text, child.name)

    def _pair(self, node: Directive, at: Scope) -> None:
        if len(node.args) == 2:
            at.set(node.args[0].value, node.args[1].value, node.args[1])
            return
        first = node.args[0]
        name, colon, rest = first.value.partition(":")
        if len(node.args) == 1 and colon and name:  # headers="Name: value"
            at.set(name.strip(), rest.strip(), first)
            return
        at.problem(first, "bad_value", f"{node.name.value} takes KEY VALUE, KEY=VALUE or a block")

    def write(self, name: str, value: Any) -> list[Line]:
        lines = [Line([quote(key), quote(text)]) for key, text in value.items()]
        return [Line([name], lines)]


def lines_text(lines: Iterable[Line], indent: int = 0) -> str:
    """The lines as text of a file."""
    parts: list[str] = []
    pad = "  " * indent
    for line in lines:
        head = pad + " ".join(line.words)
        if line.children is None:
            parts.append(f"{head};\n")
        elif not line.children:
            parts.append(f"{head} {{ }}\n")
        else:
            parts.append(f"{head} {{\n{lines_text(line.children, indent + 1)}{pad}}}\n")
    return "".join(parts)


@dataclass(slots=True)
class Unsupported(Shape):
    """Known to the reference server and not to this one: told, kept in the file, no error."""

    why: str = "is not supported by this server and has no effect"
    key: str = field(default="")

    def read(self, node: Directive, scope: Scope) -> None:
        detail = f"{node.name.value} {self.why}"
        scope.reading.problem(node.name, scope.path, "unsupported_directive", detail, warn=True)


@dataclass(slots=True)
class Ignored(Shape):
    """Has done its work before directives are read."""

    key: str = field(default="")

    def read(self, node: Directive, scope: Scope) -> None:
        return None
