"""Objects of the configuration: which directives a line or block of an object knows.

Role: a `Section` is the part of the directive table that belongs to one model. It names the
spellings, aliases and free words that people write; every field that it does not name gets a shape
from the field's type, so that the whole vocabulary can be written into a file and read back.

An object is a line, a block, or both: `dvr /storage 7d { keep_locks; }`. An option `key=value` and
a bare flag of a line are read exactly like the directives `key value;` and `flag;` of the block.
"""

import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from media_api.base import ApiModel
from media_api.protocols import listeners
from pydantic.fields import FieldInfo

from media_streamer.config.grammar import Directive, Word, quote
from media_streamer.config.problems import did_you_mean
from media_streamer.config.scope import Scope
from media_streamer.config.shapes import (
    MISSING,
    Line,
    Map,
    Shape,
    Value,
    Words,
    show,
    too_many,
)

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_FIELD = FieldInfo()
ANY = r".+"


@dataclass(slots=True)
class Section:
    """Directives of one model.

    `entries`: spelling -> shape; the first spelling of a key is the one written. `words`: key and
    pattern of the free words of a line, tried in order. `extra`: key of the map that takes unknown
    options. `first`: keys that are written before the others.
    """

    model: type[ApiModel]
    entries: dict[str, Shape] = field(default_factory=dict)
    words: tuple[tuple[str, str], ...] = ()
    extra: str = ""
    block: bool = False  # always written as a block
    first: tuple[str, ...] = ()
    finish: Callable[[Scope], None] | None = None
    writers: dict[str, tuple[str, Shape]] = field(default_factory=dict)
    _patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    _completed: bool = False

    def complete(self) -> "Section":
        """Derive what the table does not say; called at first use, as sections refer each other."""
        if self._completed:
            return self
        self._completed = True
        self._patterns = tuple((key, re.compile(text, re.DOTALL)) for key, text in self.words)
        for name, shape in self.entries.items():
            if shape.key:
                self.writers.setdefault(shape.key, (name, shape))
        for name, info in self.model.model_fields.items():
            key = info.alias or name
            if key not in self.writers:
                shape = derive(key, info.annotation, info.metadata)
                self.entries.setdefault(key, shape)
                self.writers[key] = (key, shape)
        return self

    def classify(self, text: str, taken: Iterable[str]) -> str:
        """Key that a free word sets, "" if none."""
        for key, pattern in self._patterns:
            if (key not in taken or self.writers[key][1].repeatable) and pattern.fullmatch(text):
                return key
        return ""

    # Reading

    def read_line(self, words: list[Word], node: Directive, scope: Scope) -> None:
        """Read the words of a line into `scope`."""
        self.complete()
        for word in words:
            quoted = word.raw.startswith(('"', "'"))
            option = word.option()
            if option and (option[0].value in self.entries or self.extra):
                self._read_option(option[0], option[1], scope)
            elif not quoted and self._is_flag(word.value):
                self.entries[word.value].read(Directive(word), scope)
            elif key := self.classify(word.value, scope.values):
                name, shape = self.writers[key]
                head = Word(name, name, word.line, word.col, word.file)
                shape.read(Directive(head, [word]), scope)
            elif option:
                self._unknown(option[0], node, scope)
            elif _PLAIN_KEY.fullmatch(word.value) and not quoted and len(self.entries) > 2:
                self._unknown(word, node, scope)
            else:
                too_many(word, node, scope)

    def _is_flag(self, text: str) -> bool:
        shape = self.entries.get(text)
        return shape is not None and not (isinstance(shape, Value) and shape.bare is MISSING)

    def _unknown(self, word: Word, node: Directive, scope: Scope) -> None:
        hint = did_you_mean(word.value, self.entries)
        if not hint and word.line > node.name.line:
            hint = "is ; missing at the end of the line before?"
        elif not hint and self.classify(f"/{word.value}", scope.values):
            hint = f"a path begins with /: /{word.value[:40]}"
        detail = f"{node.name.value} knows no {show(word.value)}"
        scope.problem(word, "unknown_option", detail, hint)

    def _read_option(self, key: Word, value: Word, scope: Scope) -> None:
        shape = self.entries.get(key.value)
        if shape is None:
            scope.below(self.extra, None, key)
            scope.values.setdefault(self.extra, {})[key.value] = value.value
            return
        shape.read(Directive(key, [value] if value.raw else []), scope)

    def read_block(self, nodes: list[Directive], scope: Scope) -> None:
        """Read the directives of a block into `scope`."""
        self.complete()
        for index, node in enumerate(nodes):
            for part in self._split_run_on(node, scope):
                if not self._read_directive(part, scope):
                    scope.reading.lifted.extend([part, *nodes[index + 1 :]])
                    return

    def _read_directive(self, node: Directive, scope: Scope) -> bool:
        """False if this and what follows belongs to the top level, because a } is missing."""
        name = node.name.value
        shape = self.entries.get(name)
        if shape is not None:
            shape.read(node, scope)
        elif name in TOP_LEVEL_NAMES and self.model is not TOP_LEVEL_MODEL[0]:
            detail = f"{name} cannot stand in a block: is }} missing before it?"
            scope.problem(node.name, "unclosed_block", detail)
            return False
        elif self.extra and node.args and node.children is None:
            text = " ".join(word.value for word in node.args)
            scope.values.setdefault(self.extra, {})[name] = text
        else:
            hint = _elsewhere(self.model, name) or did_you_mean(name, self.entries)
            scope.problem(node.name, "unknown_directive", f"unknown directive {show(name)}", hint)
        return True

    def _split_run_on(self, node: Directive, scope: Scope) -> Iterator[Directive]:
        """A directive whose `;` is missing swallowed the next line: tell, and read both."""
        shape = self.entries.get(node.name.value)
        before = node.name
        for index, word in enumerate(node.args):
            new_line = word.line > before.end_line and before.end_line > 0
            if new_line and word.raw in self.entries and not (shape and shape.free_words):
                at = Word("", "", before.end_line, before.col + len(before.raw), before.file)
                scope.problem(at, "missing_semicolon", f"; is missing before {word.value}")
                yield Directive(node.name, node.args[:index], None)
                rest = Directive(word, node.args[index + 1 :], node.children)
                yield from self._split_run_on(rest, scope)
                return
            before = word
        yield node

    # Writing

    def write(self, values: Mapping[str, Any]) -> tuple[list[str], list[Line]]:
        """(words of the line, lines of the block) of an object."""
        self.complete()
        rest = {key: values[key] for key in (*self.first, *values) if key in values}
        words = self._write_words(rest)
        lines: list[Line] = []
        for key, value in rest.items():
            if value == [] and self.model.model_fields.get(key, _NO_FIELD).default_factory is list:
                continue
            name, shape = self.writers[key]
            inline = None if self.block else shape.inline(name, value)
            if key == self.extra and self._is_plain(value):
                self._write_extra(value, words, lines)
            elif inline is None:
                lines.extend(shape.write(name, value))
            else:
                words.extend(inline)
        return words, lines

    def _is_plain(self, extra: Mapping[str, str]) -> bool:
        """True if each unknown option can be written under its own name."""
        return bool(extra) and all(
            _PLAIN_KEY.fullmatch(key) and key not in self.entries and key not in TOP_LEVEL_NAMES
            for key in extra
        )

    def _write_extra(self, extra: Mapping[str, str], words: list[str], lines: list[Line]) -> None:
        for key, text in extra.items():
            if self.block:
                lines.append(Line([key, quote(text)]))
            else:
                words.append(f"{key}={quote(text, after_equals=True)}")

    def _write_words(self, rest: dict[str, Any]) -> list[str]:
        """Take from `rest` what can stand as free words."""
        words: list[str] = []
        taken: set[str] = set()
        for key, _ in self.words:
            shape = self.writers[key][1]
            if key not in rest or key in taken or not isinstance(shape, Value):
                continue
            text = shape.text(rest[key])
            if self.classify(text, taken) == key:
                words.append(quote(text, force=text in self.entries))
                taken.add(key)
                del rest[key]
        return words


TOP_LEVEL_NAMES = frozenset(
    (
        "stream", "ondemand", "live", "template", "vod", "file", "source", "peer", "balancer",
        "event_sink", "notify", "auth_backend", "edit_auth", "view_auth", "loglevel", "http_proxy",
        *(name for name, (_, item) in listeners().items() if item.own_line),
    )
)  # fmt: skip
"""Directives that stand in no block: one of them in a block tells that a } is missing."""
TOP_LEVEL_MODEL: list[type[ApiModel]] = []
SECTIONS: dict[type[ApiModel], Section] = {}
"""Sections by model; a model that is not here gets one made of its fields alone."""


BLOCKS: list[tuple[type[ApiModel], str]] = []
"""Objects that a directive which stands in the wrong place may belong to, and how their blocks are
written; the likeliest first."""
_OTHER_LANGUAGES = {
    "//": "# begins a comment",
    "/*": "# begins a comment, on each line",
    "{": "JSON stands in a file whose name ends in .json",
    "}": "",
}


def _elsewhere(model: type[ApiModel], name: str) -> str:
    """Where directive `name`, which `model` does not know, is known; or what it is in place of."""
    for sign, words in _OTHER_LANGUAGES.items():
        if name.startswith(sign):
            return words
    for other, block in BLOCKS:
        if other is not model and name in section_of(other).complete().entries:
            return f"it stands in {block}"
    return ""


def section_of(model: type[ApiModel]) -> Section:
    """The section of `model`."""
    if model not in SECTIONS:
        SECTIONS[model] = Section(model, block=False)
    return SECTIONS[model].complete()


@dataclass(slots=True)
class Object(Shape):
    """`name WORD… key=value… flag… { directives }`: one object."""

    key: str
    model: type[ApiModel]
    bare: Any = None  # what `name;` means if it is not an object with nothing set
    off: bool = False  # `name false;` turns it off

    def read(self, node: Directive, scope: Scope) -> None:
        if self.off and len(node.args) == 1 and node.args[0].value == "false":
            return
        below = scope.below(self.key, None, node.name)
        read_into(section_of(self.model), node, below)
        values = below.values
        if not values and self.bare is not None and not node.args and not node.children:
            values = self.bare
        scope.set(self.key, values, node.name, node.name.value)

    def write(self, name: str, value: Any) -> list[Line]:
        return [object_line(self.model, name, value)]


@dataclass(slots=True)
class Repeat(Shape):
    """Like `Object`, once for each item of a list; `name none;` is the empty list."""

    key: str
    model: type[ApiModel]
    repeatable = True

    def read(self, node: Directive, scope: Scope) -> None:
        if len(node.args) == 1 and node.args[0].raw == "none" and node.children is None:
            scope.values.setdefault(self.key, [])
            return
        index = len(scope.values.get(self.key, ()))
        below = scope.below(self.key, index, node.name)
        read_into(section_of(self.model), node, below)
        scope.append(self.key, below.values, node.name)

    def write(self, name: str, value: Any) -> list[Line]:
        if not value:
            return [Line([name, "none"])]
        return [object_line(self.model, name, item) for item in value]


@dataclass(slots=True)
class Keyed(Shape):
    """`name KEY { … }`: an object of objects."""

    key: str
    model: type[ApiModel]

    def read(self, node: Directive, scope: Scope) -> None:
        if not node.args:
            scope.problem(node.name, "missing_value", f"{node.name.value} needs a name")
            return
        objects = scope.values.setdefault(self.key, {})
        below = scope.below(self.key, None, node.name).below(node.args[0].value, None, node.args[0])
        read_into(section_of(self.model), Directive(node.name, node.args[1:], node.children), below)
        objects[node.args[0].value] = below.values

    def write(self, name: str, value: Any) -> list[Line]:
        lines = []
        for key, item in value.items():
            line = object_line(self.model, name, item)
            lines.append(Line([name, quote(key), *line.words[1:]], line.children))
        return lines


def read_into(section: Section, node: Directive, scope: Scope) -> None:
    """Read line and block of an object."""
    section.read_line(node.args, node, scope)
    if node.children is not None:
        section.read_block(node.children, scope)
    if section.finish is not None:
        section.finish(scope)


def object_line(model: type[ApiModel], name: str, values: Mapping[str, Any]) -> Line:
    """One object as a directive."""
    section = section_of(model)
    words, lines = section.write(values)
    return Line([name, *words], lines or None)


# Shapes from types


def _leaves(annotation: Any) -> Iterator[Any]:
    """Members of unions, without Annotated."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _leaves(member)
    else:
        yield annotation


def _is_model(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, ApiModel)


def derive(key: str, annotation: Any, metadata: Iterable[Any] = ()) -> Shape:
    """Shape of a field that the table does not name."""
    leaves = [leaf for leaf in _leaves(annotation) if leaf is not type(None)]
    for leaf in leaves:
        if _is_model(leaf):
            return Object(key, leaf)
        if get_origin(leaf) is list:
            item = next(_leaves(get_args(leaf)[0]))
            return Repeat(key, item) if _is_model(item) else Words(key)
        if get_origin(leaf) is dict:
            item = next(_leaves(get_args(leaf)[1]))
            return Keyed(key, item) if _is_model(item) else Map(key)
    boolean = bool in leaves
    literals = [value for leaf in leaves if get_origin(leaf) is Literal for value in get_args(leaf)]
    text = str in leaves
    return Value(
        key,
        bare=True if boolean else MISSING,
        booleans=(boolean or False in literals) and (text or bool(literals)),
        integers=text and int in leaves,
    )
