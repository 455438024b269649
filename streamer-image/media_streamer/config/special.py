"""Shapes that only one directive has: protocols, event filters, authorisation rules, …"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from media_api import protocols
from media_api.server import ListenerConfig
from media_api.stream import StreamConfig, TemplateConfig

from media_streamer.config.grammar import Directive, Word, quote
from media_streamer.config.problems import did_you_mean
from media_streamer.config.scope import Scope
from media_streamer.config.sections import read_into, section_of
from media_streamer.config.shapes import Line, Shape, no_block, scalar_text, show, too_many

SWITCHES = protocols.switches()
SWITCH_ALIASES = {alias: row.switch for row in protocols.ROWS for alias in row.switch_aliases}
_SIZE = re.compile(r"(-?\d{0,6})x(-?\d{0,6})", re.ASCII)
_RANGE = re.compile(r"(\d{1,4})-(\d{1,4})", re.ASCII)


@dataclass(slots=True)
class Protocols(Shape):
    """`protocols -mpegts -hls;` all but these; `protocols dash api;` only these.

    `+hls` allows without making a list of the only ones, `none` allows nothing; both exist so that
    every value of the API can be written.
    """

    key: str = "protocols"
    free_words = True

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        values: dict[str, bool] = {}
        only = False
        for word in [piece for arg in node.args for piece in _comma_words(arg)]:
            text = word.value
            if text in ("none", "all"):
                only = only or text == "none"
                continue
            name = text.lstrip("+-").lower()
            name = SWITCH_ALIASES.get(name, name)
            if name not in SWITCHES:
                hint = did_you_mean(name, SWITCHES)
                scope.problem(word, "bad_value", f"unknown protocol {show(text)}", hint)
                continue
            only = only or text[0] not in "+-"
            values[name] = text[0] != "-"
        scope.set(self.key, {"whitelist": only, **values}, node.name)

    def write(self, name: str, value: Any) -> list[Line]:
        return [Line([name, *self._words(value)])]

    def _words(self, value: dict[str, Any]) -> list[str]:
        only = value.get("whitelist", False)
        chosen = {key: allowed for key, allowed in value.items() if key != "whitelist"}
        words = ["none"] if only and not any(chosen.values()) else []
        for key, allowed in chosen.items():
            sign = "-" if not allowed else ("" if only else "+")
            words.append(f"{sign}{key}")
        return words or ["all"]

    def inline(self, name: str, value: Any) -> list[str] | None:
        return [f"{name}={','.join(self._words(value))}"]


def _comma_words(word: Word) -> list[Word]:
    return [
        Word(text, text, word.line, word.col, word.file)
        for text in word.value.split(",")
        if text.strip("+-")
    ]


@dataclass(slots=True)
class Filters(Shape):
    """`only event=a,b media=x;`: one filter a line; `only { event "a,b" c; }` for odd values."""

    key: str

    def read(self, node: Directive, scope: Scope) -> None:
        values: dict[str, list[str]] = {}
        for word in node.args:
            option = word.option()
            if option is None:
                scope.problem(word, "bad_value", f"{node.name.value} takes KEY=VALUE,VALUE")
                continue
            texts = option[1].value.split(",") if option[1].value else []
            values.setdefault(option[0].value, []).extend(texts)
        for child in node.children or ():
            no_block(child, scope)
            values.setdefault(child.name.value, []).extend(arg.value for arg in child.args)
        if not node.args and node.children is None:
            scope.values.setdefault(self.key, [])
            return
        scope.append(self.key, values, node.name)

    def write(self, name: str, value: Any) -> list[Line]:
        if not value:
            return [Line([name])]
        return [self._line(name, condition) for condition in value]

    def _line(self, name: str, condition: dict[str, list[str]]) -> Line:
        plain = all(
            re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key)
            and texts
            and all(text and "," not in text and quote(text) == text for text in texts)
            for key, texts in condition.items()
        )
        if plain and condition:
            return Line([name, *(f"{key}={','.join(texts)}" for key, texts in condition.items())])
        return Line(
            [name],
            [
                Line([quote(key), *(quote(text, force=True) for text in texts)])
                for key, texts in condition.items()
            ],
        )


RULE_KINDS = {"token": "tokens", "ip": "ips", "country": "countries", "ua": "uas"}


@dataclass(slots=True)
class Rule(Shape):
    """`allow token T;`, `deny country GB US;`, `allow default;` of an auth_backend."""

    verb: str
    key: str = ""

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        if not node.args:
            kinds = ", ".join(RULE_KINDS)
            scope.problem(node.name, "missing_value", f"{self.verb} takes one of {kinds}, default")
            return
        kind, values = node.args[0], node.args[1:]
        if kind.value == "default":
            for word in values:
                too_many(word, node, scope)
            scope.set("allow_default", self.verb == "allow", kind)
        elif kind.value not in RULE_KINDS:
            hint = did_you_mean(kind.value, [*RULE_KINDS, "default"])
            scope.problem(kind, "bad_value", f"{self.verb} knows no {show(kind.value)}", hint)
        else:
            key = f"{self.verb}_{RULE_KINDS[kind.value]}"
            scope.values.setdefault(key, [])
            for word in values:
                scope.append(key, word.value, word)


@dataclass(slots=True)
class RuleValues(Shape):
    """Writes what `Rule` reads."""

    key: str

    def read(self, node: Directive, scope: Scope) -> None:
        if self.key == "allow_default":
            value = node.args[0].value if node.args else True
            scope.set(self.key, value, node.name)
            return
        scope.values.setdefault(self.key, [])
        for word in node.args:
            scope.append(self.key, word.value, word)

    def write(self, name: str, value: Any) -> list[Line]:
        verb, _, plural = self.key.partition("_")
        if plural == "default":
            return [Line(["allow" if value else "deny", "default"])]
        kind = next(kind for kind, key in RULE_KINDS.items() if key == plural)
        return [Line([verb, kind, *(quote(scalar_text(item)) for item in value)])]


@dataclass(slots=True)
class Sizes(Shape):
    """`sizes 320x240 640x-1;` or `sizes=320x240,640x-1`."""

    key: str = "sizes"
    repeatable = True

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        sizes = scope.values.setdefault(self.key, [])
        for word in [piece for arg in node.args for piece in _comma_words(arg)]:
            match = _SIZE.fullmatch(word.value)
            if match is None:
                scope.problem(word, "bad_value", f"{show(word.value)} is no size: write 320x240")
                continue
            names = ("width", "height")
            size = {name: text for name, text in zip(names, match.groups(), strict=True) if text}
            scope.reading.positions[(*scope.path, self.key, len(sizes))] = word
            sizes.append(size)

    def _words(self, value: Any) -> list[str]:
        return [f"{size.get('width', '')}x{size.get('height', '')}" for size in value]

    def write(self, name: str, value: Any) -> list[Line]:
        return [Line([name, *self._words(value)])]

    def inline(self, name: str, value: Any) -> list[str] | None:
        return [f"{name}={','.join(self._words(value))}"] if value else [f"{name}="]


@dataclass(slots=True)
class Schedule(Shape):
    """`schedule 800-1600,2200-130;`: times of day, UTC, hhmm."""

    key: str = "schedule"
    repeatable = True

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        ranges = scope.values.setdefault(self.key, [])
        for word in [piece for arg in node.args for piece in _comma_words(arg)]:
            match = _RANGE.fullmatch(word.value)
            if match is None:
                detail = f"{show(word.value)} is no time of day: write 800-1600 (hhmm, UTC)"
                scope.problem(word, "bad_value", detail)
                continue
            scope.reading.positions[(*scope.path, self.key, len(ranges))] = word
            ranges.append([int(match[1]), int(match[2])])

    def write(self, name: str, value: Any) -> list[Line]:
        return [Line([name, *(f"{first}-{last}" for first, last in value)])]

    def inline(self, name: str, value: Any) -> list[str] | None:
        return [f"{name}={','.join(f'{first}-{last}' for first, last in value)}"]


@dataclass(slots=True)
class Credentials(Shape):
    """`edit_auth LOGIN PASSWORD;` or `edit_auth LOGIN:PASSWORD;`."""

    key: str

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        words = node.args
        if len(words) == 1 and ":" in words[0].value:
            login, _, password = words[0].value.partition(":")
        elif len(words) == 2:
            login, password = words[0].value, words[1].value
        else:
            detail = f"{node.name.value} takes LOGIN PASSWORD"
            scope.problem(words[2] if len(words) > 2 else node.name, "missing_value", detail)
            return
        scope.set(self.key, {"login": login, "password": password}, words[0], node.name.value)

    def write(self, name: str, value: Any) -> list[Line]:
        return [Line([name, quote(value["login"]), quote(value["password"])])]


@dataclass(slots=True)
class Streams(Shape):
    """`stream NAME [URL] { … }`; `ondemand` is the same with `static` false."""

    static: bool = True
    key: str = "streams"

    def read(self, node: Directive, scope: Scope) -> None:
        index = len(scope.values.setdefault(self.key, []))
        below = scope.below(self.key, index, node.name)
        args = list(node.args)
        if len(args) > 1 and "://" in args[1].value:
            first = Word("input", "input", args[1].line, args[1].col, args[1].file)
            options = list(args[1:])
            args = args[:1]
            section_of(StreamConfig).read_block([Directive(first, options)], below)
        read_into(section_of(StreamConfig), Directive(node.name, args, node.children), below)
        if not self.static:
            below.values.setdefault("static", False)
        scope.append(self.key, below.values, node.name)

    def write(self, name: str, value: Any) -> list[Line]:
        section = section_of(StreamConfig)
        lines = []
        for item in value:
            words, children = section.write(item)
            lines.append(Line([name, *words], children))
        return lines


@dataclass(slots=True)
class Live(Shape):
    """`live PREFIX { … }`: a template that lets publish every name below PREFIX/."""

    key: str = ""

    def read(self, node: Directive, scope: Scope) -> None:
        index = len(scope.values.setdefault("templates", []))
        below = scope.below("templates", index, node.name)
        read_into(section_of(TemplateConfig), node, below)
        name = below.values.get("name")
        if name is not None:
            below.values.setdefault("prefixes", [name])
        inputs = below.values.setdefault("inputs", [])
        if not any(item.get("url", "").startswith("publish://") for item in inputs):
            inputs.append({"url": "publish://"})
        scope.append("templates", below.values, node.name)


@dataclass(slots=True)
class AdminListener(Shape):
    """`admin_http PORT;`: the API is served there and leaves the other listeners."""

    protocol: str
    model: type[ListenerConfig]
    key: str = ""

    def read(self, node: Directive, scope: Scope) -> None:
        ListenerShape(self.protocol, self.model).read(node, scope, {"api": True, "admin": True})


def settle_admin_listeners(scope: Scope) -> None:
    """Take the API from the plain listeners where an admin listener exists."""
    listeners = scope.values.get("listeners", {})
    every = [item for key in ("http", "https") for item in listeners.get(key, [])]
    admin = [item for item in every if item.pop("admin", False)]
    for item in every:
        if admin and item not in admin:
            item.setdefault("api", False)


@dataclass(slots=True)
class ListenerShape(Shape):
    """`http 80;`, `http 127.0.0.1:80;`, `http 80 { api false; }`: repeatable."""

    protocol: str
    model: type[ListenerConfig]
    key: str = ""

    def read(
        self, node: Directive, scope: Scope, more: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """`more`: what the directive says beside its words."""
        listeners = scope.below("listeners", None, node.name)
        listeners.values = scope.values.setdefault("listeners", {})
        index = len(listeners.values.get(self.protocol, ()))
        below = listeners.below(self.protocol, index, node.name)
        if not node.args:
            detail = f"{node.name.value} needs a PORT or ADDRESS:PORT"
            scope.problem(node.name, "missing_value", detail)
            return
        word, rest = node.args[0], node.args[1:]
        address, _, port = word.value.rpartition(":")
        below.set("port", port, word)
        if address and address != "*":
            below.set("address", address.strip("[]"), word)
        read_into(section_of(self.model), Directive(node.name, rest, node.children), below)
        listeners.append(self.protocol, {**below.values, **more}, word)


LISTENER_LINES = tuple(name for name, (_, item) in protocols.listeners().items() if item.own_line)


@dataclass(slots=True)
class ListenersShape(Shape):
    """Writes every listener as its own line; `listeners { srt 9998; }` holds what has no line."""

    models: Mapping[str, type[ListenerConfig]]
    key: str = "listeners"

    def read(self, node: Directive, scope: Scope) -> None:
        scope.values.setdefault(self.key, {})
        for child in node.children or ():
            name = child.name.value
            if name not in self.models:
                hint = did_you_mean(name, self.models)
                detail = f"unknown directive {show(name)}"
                scope.problem(child.name, "unknown_directive", detail, hint)
                continue
            ListenerShape(name, self.models[name]).read(child, scope)

    def write(self, name: str, value: Any) -> list[Line]:
        lines: list[Line] = []
        inner: list[Line] = []
        for protocol, items in value.items():
            into = lines if protocol in LISTENER_LINES else inner
            into.extend(self._line(protocol, item) for item in items)
        return [*lines, *([Line([name], inner)] if inner or not lines else [])]

    def _line(self, protocol: str, item: dict[str, Any]) -> Line:
        rest = {key: value for key, value in item.items() if key not in ("port", "address")}
        address = item.get("address")
        at = str(item["port"])
        if address is not None:
            at = f"[{address}]:{at}" if ":" in address else f"{address}:{at}"
        words, children = section_of(self.models[protocol]).write(rest)
        return Line([protocol, quote(at), *words], children or None)


@dataclass(slots=True)
class Paths(Shape):
    """`paths /a /b;`: several storages in one line."""

    key: str = ""

    def read(self, node: Directive, scope: Scope) -> None:
        no_block(node, scope)
        scope.values.setdefault("storages", [])
        for word in node.args:
            scope.append("storages", {"url": word.value}, word)
