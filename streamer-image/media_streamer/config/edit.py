"""Change a configuration file in place: only the blocks concerned, all else as people wrote it.

Role: what API and UI save. Invariants: text outside the replaced directives, comments included,
stays byte for byte; the new text parses to what was asked or nothing is written; a file that has
errors is not touched, because nobody can say what its author meant; the file is replaced at once
(written beside, then renamed), with its mode kept.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_api.base import ApiModel
from media_api.files import write_file
from media_api.server import ServerConfig

from media_streamer.config.binder import NAMED_LISTS, parse, read_values
from media_streamer.config.grammar import Directive, parse_tree
from media_streamer.config.problems import SYNTAX_CODES, ConfigProblem
from media_streamer.config.scope import Reading
from media_streamer.config.sections import section_of
from media_streamer.config.special import LISTENER_LINES
from media_streamer.config.writer import write_global, write_object

NEW_FILE_MODE = 0o640

# Spellings of the objects of a list, and those that set a global key.
_OBJECT_NAMES = {
    "streams": ("stream", "ondemand"),
    "templates": ("template", "live"),
    "vods": ("vod", "file"),
    "event_sinks": ("event_sink", "notify"),
}
_GLOBAL_NAMES = {"auto_token": ("auto_token", "no_auto_token")}
_LISTENERS = (*LISTENER_LINES, "admin_http", "admin_https", "listeners")


class EditError(Exception):
    """The file was left as it is; `problems` say why where the file itself is broken."""

    def __init__(self, detail: str, problems: Sequence[ConfigProblem] = ()) -> None:
        super().__init__(detail)
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class _Change:
    """Replace text[start:end] by `new`."""

    start: int
    end: int
    new: str


def _replace(
    text: str, nodes: list[Directive], key: str, items: Mapping[str, ApiModel | None]
) -> str:
    """`text` with all of `items` replaced, appended or deleted at once."""
    found: dict[str, list[Directive]] = {name: [] for name in items}
    for node in nodes:
        name = _object_name(node, key)
        if name in found:
            found[name].append(node)
    changes: list[_Change] = []
    appended: list[str] = []
    for name, item in items.items():
        new = _object_text(key, name, item) if item is not None else ""
        if found[name]:
            changes += _changes(text, found[name], new)
        elif new:
            appended.append(new)
    return _apply(text, changes + _changes(text, [], "\n".join(appended)))


def replace_global(text: str, key: str, value: Any) -> str:
    """`text` with the global `key` set to the JSON `value`, or taken out (None).

    Raises EditError if `text` has syntax errors or `value` cannot be written so that it reads back.
    """
    nodes = [node for node in _nodes(text) if node.name.value in _names_of_global(key)]
    new = _apply(text, _changes(text, nodes, write_global(key, value) if value is not None else ""))
    wanted = ServerConfig.model_validate({} if value is None else {key: value})
    parsed = parse(new)
    if parsed.errors and not parse(text).errors:
        raise EditError(f"{key} cannot be written into the file", parsed.errors)
    if getattr(parsed.config, key) != getattr(wanted, key):
        raise EditError(f"{key} cannot be written into the file as it is")
    return new


def _nodes(text: str) -> list[Directive]:
    tree, reading = parse_tree(text), Reading()
    read_values(tree.directives, reading)
    broken = [error for error in (*tree.problems, *reading.problems) if error.code in SYNTAX_CODES]
    if broken:
        detail = f"the file has a syntax error in line {broken[0].line}: {broken[0].detail}"
        raise EditError(detail, broken)
    return tree.directives


def _object_name(node: Directive, key: str) -> str:
    """Name of the object of the list `key` that `node` declares, "" if it declares none."""
    spelling = section_of(ServerConfig).writers[key][0]
    declares = node.name.value in _OBJECT_NAMES.get(key, (spelling,)) and node.args
    return node.args[0].value if declares else ""


def _names_of_global(key: str) -> tuple[str, ...]:
    if key == "listeners":
        return _LISTENERS
    section = section_of(ServerConfig)
    spellings = [name for name, shape in section.entries.items() if shape.key == key]
    return (*spellings, *_GLOBAL_NAMES.get(key, ()))


def _changes(text: str, nodes: list[Directive], new: str) -> list[_Change]:
    """The first of `nodes` becomes `new`, the others go; without nodes it is appended."""
    if not nodes:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return [_Change(len(text), len(text), gap + new)] if new else []
    changes = []
    for index, node in enumerate(nodes):
        if index == 0 and new:
            changes.append(_Change(node.start, node.end, new.rstrip("\n")))
        else:
            changes.append(_deletion(text, node))
    return changes


def _deletion(text: str, node: Directive) -> _Change:
    """Take the whole lines of `node` if nothing else stands on them."""
    start = text.rfind("\n", 0, node.start) + 1
    end = text.find("\n", node.end)
    end = len(text) if end < 0 else end + 1
    if text[start : node.start].strip() or text[node.end : end].strip():
        return _Change(node.start, node.end, "")
    return _Change(start, end, "")


def _apply(text: str, changes: list[_Change]) -> str:
    for change in sorted(changes, key=lambda change: change.start, reverse=True):
        text = text[: change.start] + change.new + text[change.end :]
    return text


def _object_text(key: str, name: str, item: ApiModel) -> str:
    """`item` as text that is known to read back as `item`."""
    _, unique = NAMED_LISTS[key]
    if getattr(item, unique) != name:
        raise EditError(f"{name} and the object's own {unique} differ")
    text = write_object(key, item)
    parsed = parse(text)
    if getattr(parsed.config, key) != [item]:
        raise EditError(f"{name} cannot be written into the file as it is", parsed.errors)
    return text


# Files


def save_objects(
    files: Sequence[Path], key: str, items: Mapping[str, ApiModel | None]
) -> list[Path]:
    """Write objects of one list (None deletes) into the files that declare them, else the first.

    Returns the files that were written. Nothing is written if one of the objects cannot be: raises
    EditError, or OSError if a file cannot be written.
    """
    files = _texts_of(files, key, items)
    texts = {file: _read(file) for file in files}
    nodes = {file: _nodes(text) for file, text in texts.items()}
    home = {
        name: file
        for file in reversed(files)
        for node in nodes[file]
        if (name := _object_name(node, key)) in items
    }
    parts: dict[Path, dict[str, ApiModel | None]] = {}
    for name, item in items.items():
        parts.setdefault(home.get(name, files[0]), {})[name] = item
    new = {file: _replace(texts[file], nodes[file], key, part) for file, part in parts.items()}
    for file, text in new.items():
        write_file(file, text, new_mode=NEW_FILE_MODE)
    return list(new)


def save_global(files: Sequence[Path], key: str, value: Any) -> Path:
    """Write one global into the file that sets it, else into the first. Raises EditError."""
    files = _texts_of(files, key)
    names = _names_of_global(key)
    path = next(
        (file for file in files if any(n.name.value in names for n in _nodes(_read(file)))),
        files[0],
    )
    text = replace_global(_read(path), key, value)
    write_file(path, text, new_mode=NEW_FILE_MODE)
    return path


def _texts_of(files: Sequence[Path], key: str, names: Iterable[str] = ()) -> list[Path]:
    """The files that can be changed: those of JSON are handed over by somebody, as the operator.

    Raises EditError where one of them sets the key, or declares one of these objects, and where
    there are no others.
    """
    for file in (one for one in files if one.suffix == ".json"):
        try:
            declared = json.loads(_read(file)).get(key)
        except (json.JSONDecodeError, AttributeError):
            continue  # it sets nothing, and is an error of the configuration
        unique = NAMED_LISTS[key][1] if key in NAMED_LISTS else ""
        # Of another shape it declares none, and is an error of the configuration, too.
        objects = declared if isinstance(declared, list) else ()
        named = {str(one.get(unique)) for one in objects if isinstance(one, dict)}
        there = named if unique else {""}
        if declared is not None and there & set(names or ("",)):
            what = key if not unique else f"{key}: {', '.join(sorted(there & set(names)))}"
            raise EditError(f"{what} stands in {file}, which is changed where it comes from only")
    texts = [one for one in files if one.suffix != ".json"]
    if not texts:
        raise EditError(f"{files[0]} is JSON, which is not changed here: write it yourself")
    return texts


def _read(path: Path) -> str:
    """Text of `path`; a file that does not exist yet is empty."""
    try:
        # newline="" keeps the line ends of the author.
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise EditError(f"{path} is no UTF-8 text") from error
