"""Every directive of the configuration file as data: what people may write and what becomes of it.

Role: what `docs/configuration.md` is made of and `streamer --check --explain` answers from. It is
read from the table of directives, the models and the table of protocols, and states nothing of its
own, so that a directive that is added, renamed or served at last is told right in the same commit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from media_api.base import ApiModel
from media_api.server import ServerConfig
from media_api.stream import StreamConfig, TemplateConfig
from media_api.transcoder import TranscoderSpec

from media_streamer.config import directives as _table  # noqa: F401  # fills the table of sections
from media_streamer.config.ladder import Ladder
from media_streamer.config.outcome import Outcome, outcome
from media_streamer.config.sections import Keyed, Object, Repeat, Section, section_of
from media_streamer.config.shapes import Constant, Ignored, Shape, Unsupported, Value
from media_streamer.config.special import (
    AdminListener,
    Credentials,
    ListenerShape,
    ListenersShape,
    Live,
    Protocols,
    Rule,
    RuleValues,
    Schedule,
    Sizes,
    Streams,
)

Schema = Mapping[str, Any]
_FORMATS = {
    "seconds": "duration (`90`, `48h`, `7d`)",
    "milliseconds": "milliseconds (`200`, `5s`)",
    "bytes": "size (`40G`)",
    "speed": "rate (`10G`)",
    "percents": "percent (`90%`)",
    "password": "text (secret)",
}
_FORMS: dict[type[Shape], str] = {
    AdminListener: "`PORT` or `ADDRESS:PORT`, options",
    ListenerShape: "`PORT` or `ADDRESS:PORT`, options",
    ListenersShape: "block of listeners",
    Credentials: "`LOGIN PASSWORD`",
    Protocols: "`-hls` …: all but these; `hls dash` …: only these; `none`",
    Rule: "`token`, `ip`, `country`, `ua` with values; `default`",
    Schedule: "`800-1600` … (hhmm, UTC)",
    Sizes: "`320x240` …",
}


@dataclass(frozen=True, slots=True)
class DirectiveRow:
    """One directive of one object."""

    name: str
    """The spelling that is written."""
    others: tuple[str, ...]
    """Spellings that are read, too."""
    key: str
    """Its field in the JSON of the API; empty where it is none of its own."""
    values: str
    default: str
    about: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Block:
    """The directives of one kind of object. `where`: the directives that make such an object."""

    model: type[ApiModel]
    where: tuple[str, ...]
    about: str
    words: tuple[str, ...]
    """Fields that free words of the line set, in this order."""
    rows: tuple[DirectiveRow, ...]

    def row(self, spelling: str) -> DirectiveRow | None:
        """The row of a directive by any of its spellings."""
        return next((r for r in self.rows if spelling == r.name or spelling in r.others), None)


@cache
def outline() -> tuple[Block, ...]:
    """All objects of the file, the server itself first, each once."""
    holders: dict[type[ApiModel], list[tuple[type[ApiModel], str]]] = {ServerConfig: []}
    queue: list[type[ApiModel]] = [ServerConfig]
    for model in queue:
        for name, held in _objects(section_of(model)):
            if held not in holders:
                holders[held] = []
                queue.append(held)
            holders[held].append((model, name))
    blocks: dict[type[ApiModel], Block] = {}
    for model, places in holders.items():
        where = dict.fromkeys(
            name if holder is ServerConfig else f"{_short(holder)}: {name}"
            for holder, name in places
        )
        block = _block(model, tuple(where))
        blocks[model] = _in_vain(block) if _is_in_vain(places, blocks) else block
    return tuple(blocks.values())


def _is_in_vain(
    places: list[tuple[type[ApiModel], str]], blocks: Mapping[type[ApiModel], Block]
) -> bool:
    """Whether no object that is held in these places does anything."""
    rows = [
        blocks[holder].row(name) for holder, name in places if holder in blocks
    ]  # a holder that comes later is one that these objects hold themselves
    return bool(rows) and all(row is not None and row.outcome.state == "none" for row in rows)


def _in_vain(block: Block) -> Block:
    """The object has no effect, so nothing in it has."""
    rows = tuple(replace(row, outcome=Outcome("none", "no effect")) for row in block.rows)
    return replace(block, rows=rows)


def block_of(model: type[ApiModel]) -> Block:
    """The block of one model."""
    return next(block for block in outline() if block.model is model)


def below(shape: Shape) -> type[ApiModel] | None:
    """The model of the object that a directive makes; None if it makes none."""
    if isinstance(shape, Object | Repeat | Keyed | ListenerShape):
        return shape.model
    if isinstance(shape, Streams):
        return StreamConfig
    if isinstance(shape, Ladder):
        return TranscoderSpec
    return TemplateConfig if isinstance(shape, Live) else None


def _objects(section: Section) -> Iterator[tuple[str, type[ApiModel]]]:
    """(spelling, model) of each directive that makes an object of its own."""
    section.complete()
    for name, shape in section.entries.items():
        model = below(shape)
        if model is not None:
            yield name, model


def _short(model: type[ApiModel]) -> str:
    """What holds such an object, for people."""
    name = model.__name__
    for ending in ("Config", "Spec"):
        name = name.removesuffix(ending)
    return name.lower() if name.islower() or name.isupper() else _spaced(name)


def _spaced(name: str) -> str:
    text = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return text.strip()


def _block(model: type[ApiModel], where: tuple[str, ...]) -> Block:
    section = section_of(model)
    schema = model.model_json_schema(mode="validation", by_alias=True)
    rows = tuple(_rows(model, section, schema))
    about = (model.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")
    words = tuple(dict.fromkeys(key for key, _ in section.words))
    return Block(model, where, about, words, rows)


def _rows(model: type[ApiModel], section: Section, schema: Schema) -> Iterator[DirectiveRow]:
    """A row for each field and for each directive that is no field."""
    told: set[str] = set()
    properties = schema.get("properties", {})
    for name, shape in section.entries.items():
        key = "" if isinstance(shape, Unsupported | Ignored) else shape.key
        if key and not isinstance(shape, Constant):
            if key in told:
                continue
            told.add(key)
            name = section.writers[key][0]
            others = tuple(
                other
                for other, same in section.entries.items()
                if other != name and same.key == key and not isinstance(same, Constant)
            )
        else:
            others = ()
        field = properties.get(key, {})
        yield DirectiveRow(
            name,
            others,
            _api_field(model, name, shape, key),
            _values(shape, field, schema),
            "" if isinstance(shape, Constant) else _default(field),
            _about(shape, field, schema),
            outcome(model, key or name, shape),
        )


def _api_field(model: type[ApiModel], name: str, shape: Shape, key: str) -> str:
    if isinstance(shape, ListenerShape | AdminListener):
        return f"listeners.{shape.protocol}"
    if isinstance(shape, Live):
        return "templates"
    if isinstance(shape, Rule):
        return f"{shape.verb}_…"
    if key and key not in {info.alias or field for field, info in model.model_fields.items()}:
        return ""
    return key


def _about(shape: Shape, field: Schema, schema: Schema) -> str:
    if isinstance(shape, ListenerShape):
        return "Ports; may be given several times."
    if isinstance(shape, AdminListener):
        return "A port of the API, which the other ports then do not serve."
    if isinstance(shape, Constant):
        return f"Short for `{shape.key} {str(shape.value).lower()}`."
    if isinstance(shape, Live):
        return "Template that lets publish every name below a prefix."
    if isinstance(shape, Rule):
        return "Rules of access, each kind of its own."
    if isinstance(shape, Ignored):
        return "Another file, or a pattern of files, read in this place."
    return str(field.get("description") or _resolved(field, schema).get("description", ""))


def _default(field: Schema) -> str:
    value = field.get("default")
    if value is None or value == [] or value == {}:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(shape: Shape, field: Schema, schema: Schema) -> str:
    """What may be written, in words."""
    if (form := _FORMS.get(type(shape))) is not None:
        return form
    if isinstance(shape, RuleValues):
        return "values"
    if isinstance(shape, Unsupported):
        return ""
    if isinstance(shape, Constant):
        return "no value"
    if isinstance(shape, Ignored):
        return "path or pattern"
    if below(shape) is not None:
        return "object"
    if isinstance(shape, Value) and shape.unit == "ms_as_seconds":
        return "seconds (`4`, `2.5`)"
    return " or ".join(dict.fromkeys(_alternatives(field, schema))) or "text"


def _resolved(node: Schema, schema: Schema) -> Schema:
    while "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        node = {**schema["$defs"][name], **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def _alternatives(node: Schema, schema: Schema) -> Iterator[str]:
    node = _resolved(node, schema)
    for part in node.get("anyOf") or node.get("oneOf") or ():
        yield from _alternatives(part, schema)
    if "anyOf" in node or "oneOf" in node or node.get("type") == "null":
        return
    if "const" in node:
        yield f"`{str(node['const']).lower()}`"
    elif "enum" in node:
        yield " ".join(f"`{str(one).lower()}`" for one in node["enum"])
    elif (form := _FORMATS.get(str(node.get("format", "")))) is not None:
        yield form
    elif node.get("type") == "array":
        yield f"list: {' or '.join(_alternatives(node.get('items', {}), schema))}"
    else:
        yield _plain(node)


def _plain(node: Schema) -> str:
    kind = node.get("type")
    if kind == "boolean":
        return "`true` `false`"
    if kind in ("integer", "number"):
        return f"number{_range(node)}"
    return "keys and values" if kind == "object" else "text"


def _range(node: Schema) -> str:
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum", node.get("exclusiveMaximum"))
    if high is not None and high > 10**12:
        high = None
    if low is None and high is None:
        return ""
    if high is None:
        return f" from {low}" if low else ""
    return f" {low} to {high}" if low is not None else f" up to {high}"
