"""`ServerConfig` -> text of a configuration file.

Role: the reverse of the binder through the same table. Only what was set is written, so defaults
stay defaults. Invariant: parse(write(config)).config == config.
"""

from typing import Any

from media_api.base import ApiModel
from media_api.server import ServerConfig

from media_streamer.config import directives as _table  # noqa: F401  # fills the table of sections
from media_streamer.config.sections import section_of
from media_streamer.config.shapes import Line, lines_text


def write(config: ServerConfig) -> str:
    """The whole configuration as text."""
    _, lines = section_of(ServerConfig).write(config.explicit())
    parts: list[str] = []
    previous_was_block = False
    for line in lines:
        is_block = bool(line.children)
        if parts and (is_block or previous_was_block):
            parts.append("\n")
        parts.append(lines_text([line]))
        previous_was_block = is_block
    return "".join(parts)


def write_object(key: str, item: ApiModel) -> str:
    """One object of the list `key` of the configuration ("streams", "templates", …) as text."""
    return lines_text(global_lines(key, [item.explicit()]))


def global_lines(key: str, value: Any) -> list[Line]:
    """Lines of one top-level key."""
    name, shape = section_of(ServerConfig).writers[key]
    return shape.write(name, value)


def write_global(key: str, value: Any) -> str:
    """One global directive as text; `value` is its JSON."""
    return lines_text(global_lines(key, value))
