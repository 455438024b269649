"""A configuration file that is no file here: a text that somebody pastes, to take it over.

Role: what it declares as objects that stand alone, what becomes of each directive, and what is of
the server that it was written for. Invariants: nothing is read but the text, so `include` names no
file of this machine; no value that may be a secret is shown beside what is declared.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from media_api.auth import AuthBackendConfig
from media_api.server import ServerConfig
from media_api.stream import StreamConfig, TemplateConfig

from media_streamer.config.binder import bind
from media_streamer.config.check import not_served
from media_streamer.config.explain import Explained, explain, shown
from media_streamer.config.grammar import Directive, parse_tree
from media_streamer.config.load import LoadedConfig
from media_streamer.config.problems import ConfigProblem
from media_streamer.config.sections import section_of

NAME = "text"
"""What stands for the file's name in problems."""
_STREAMS = frozenset({"stream", "ondemand"})
_TAKEN = _STREAMS | {"auth_backend"}
INCLUDED = "nothing is read of other files: paste what is in them, too"
PREFIXED = "makes streams for whoever asks below its prefix: that stays with a streamer"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """`lines`: each directive; `broken`: names of streams of which something was refused; `left`:
    what is of the server itself, and why where that is not plain."""

    streams: list[StreamConfig]
    templates: dict[str, TemplateConfig]
    auth_backends: list[AuthBackendConfig]
    broken: list[str]
    lines: list[Explained]
    left: list[Explained]


def read_elsewhere(text: str) -> Elsewhere:
    """What the text declares. Never raises, whatever it is."""
    tree = parse_tree(text, NAME)
    parsed = bind([tree])
    loaded = LoadedConfig(
        parsed.config, parsed.errors, parsed.warnings, [Path(NAME)], parsed.locate, tree.directives
    )
    problems = [*parsed.errors, *parsed.warnings, *not_served(loaded), *_included(tree.directives)]
    lines = explain(tree.directives, problems)
    templates = {one.name: one for one in parsed.config.templates}
    return Elsewhere(
        parsed.config.streams,
        templates,
        parsed.config.auth_backends,
        sorted(_broken(tree.directives, parsed.errors)),
        lines,
        list(_left(tree.directives, templates)),
    )


def _included(nodes: Sequence[Directive]) -> Iterator[ConfigProblem]:
    for node in nodes:
        if (name := node.name).value == "include":
            yield ConfigProblem(
                name.line, name.col, ("include",), "not_served", INCLUDED, NAME, severity="warning"
            )


def _broken(nodes: Sequence[Directive], errors: Sequence[ConfigProblem]) -> set[str]:
    """Names of the streams within which an error is."""
    starts = [(node.name.line, node.name.col) for node in nodes]
    found = set()
    for error in errors:
        before = bisect_right(starts, (error.line, error.col))
        node = nodes[before - 1] if before else None
        if node is not None and node.name.value in _STREAMS and node.args:
            found.add(node.args[0].value)
    return found


def _left(
    nodes: Sequence[Directive], templates: Mapping[str, TemplateConfig]
) -> Iterator[Explained]:
    entries = section_of(ServerConfig).entries
    for node in nodes:
        name, shape = node.name, entries.get(node.name.value)
        if shape is None or name.value in _TAKEN or name.value == "include":
            continue  # what is unknown, and files that are not read, are told as that
        makes = templates.get(node.args[0].value) if node.args else None
        if name.value == "template" and not (makes and makes.prefixes):
            continue  # it is in the streams that name it
        told = Explained(name.file, name.line, shown(node, shape))
        if name.value in ("template", "live"):
            told.reasons.append(PREFIXED)
        yield told
