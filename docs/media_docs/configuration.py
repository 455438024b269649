"""Tables of `docs/configuration.md`: each directive, from the outline of the configuration file."""

from collections.abc import Iterator, Mapping

from media_api import protocols
from media_api.base import ApiModel
from media_api.cluster import SourceConfig
from media_api.server import HttpListenerConfig, HttpsListenerConfig
from media_api.stream import StreamConfig, TemplateConfig
from media_streamer.config.outcome import NOT_KNOWN_HERE, Outcome
from media_streamer.config.outline import Block, DirectiveRow, block_of, outline

from media_docs.directive_tests import directive_tests, option_tests, shown, unit_tests_suffice
from media_docs.tables import code, table

_AS: dict[type[ApiModel], type[ApiModel]] = {
    TemplateConfig: StreamConfig,
    SourceConfig: StreamConfig,
    HttpsListenerConfig: HttpListenerConfig,
}
"""Objects that are told by what differs from another one."""
_LIKE_STREAMS = ("template: ", "source: ")
"""Holders that need not be named beside streams."""
_HEADS = ("directive", "values", "default", "API", "served", "what", "test")


def directives() -> str:
    """All directives, an object after the other, and those of the other server alone."""
    parts = [part for block in outline() for part in _object(block)]
    unknown = ", ".join(code(name) for name in sorted(set(_unknown())))
    parts += ["## Known to Flussonic only", "", f"Read, reported and without effect: {unknown}."]
    return "\n".join(parts)


def _unknown() -> Iterator[str]:
    for block in outline():
        yield from (row.name for row in block.rows if row.outcome.reason == NOT_KNOWN_HERE)


def _object(block: Block) -> Iterator[str]:
    rows = [row for row in block.rows if row.outcome.reason != NOT_KNOWN_HERE]
    alike = _AS.get(block.model)
    told = {_told(row) for row in block_of(alike).rows} if alike is not None else set()
    title = block.about if not block.where else f"{_names(block)}"
    yield f"## {'The server' if not block.where else title}"
    yield ""
    if block.where:
        yield _about(block, alike)
        yield ""
    name = short_name(block) if block.where else ""
    tests = option_tests().get(name, {}) if block.where else directive_tests()
    cells = [(*_row(row), _test(row, name, tests)) for row in rows if _told(row) not in told]
    text = table(_HEADS, cells)
    if text:
        yield text
        yield ""


def _test(row: DirectiveRow, name: str, tests: Mapping[str, str]) -> str:
    """What does nothing has nothing to be seen. `name` of the object."""
    if row.outcome.state == "none":
        return ""
    why = unit_tests_suffice().get(f"{name}.{row.name}", "")
    return shown(tests.get(row.name, "")) + (f" ({why})" if why else "")


def short_name(block: Block) -> str:
    """`stream`, or the directive of another object that holds it."""
    return block.where[0].rpartition(": ")[2]


def _names(block: Block) -> str:
    return code(short_name(block))


def _about(block: Block, alike: type[ApiModel] | None) -> str:
    where = ", ".join(_place(place) for place in block.where if not place.startswith(_LIKE_STREAMS))
    text = f"{block.about} Written as {where}."
    if block.words:
        words = ", ".join(code(word) for word in block.words)
        text += f" Words without a name are, in this order: {words}."
    if alike is not None:
        text += f" All of {_names(block_of(alike))}; what differs:"
    return text


def _place(place: str) -> str:
    holder, colon, name = place.rpartition(": ")
    return f"{code(name)} of a {holder}" if colon else code(name)


def _told(row: DirectiveRow) -> tuple[str, str, str]:
    return row.name, row.values, row.outcome.state if row.outcome.state != "none" else "works"


def _row(row: DirectiveRow) -> tuple[str, ...]:
    names = ", ".join(code(name) for name in (row.name, *row.others))
    key = "" if row.key == row.name else code(row.key)
    return names, row.values, code(row.default), key, served(row.outcome), row.about


def served(outcome: Outcome) -> str:
    """What becomes of it, in a word or with its reason."""
    if outcome.state == "works":
        return "yes"
    return outcome.reason if outcome.state == "partly" else f"**no**: {outcome.reason}"


def schemes() -> str:
    """Every scheme of a URL, by what it is for."""
    rows = []
    for title, role in (("input", "pull"), ("push", "push")):
        known = protocols.schemes("pull" if role == "pull" else "push")
        for scheme in sorted(known):
            reason = protocols.why_not("pull" if role == "pull" else "push", scheme)
            rows.append((code(f"{scheme}://"), title, reason or "yes"))
    return table(("scheme", "of", "served"), rows)
