"""The table of `docs/moving-from-flussonic.md`: what to expect, directive by directive."""

from collections.abc import Iterator

from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.config.differences import difference
from media_streamer.config.outcome import NOT_KNOWN_HERE
from media_streamer.config.outline import Block, block_of

from media_docs.tables import code, table


def directives() -> str:
    """What is not simply the same, of the server and of streams; the rest works alike."""
    return "\n".join(
        part
        for title, model in (("Of the server", ServerConfig), ("Of streams", StreamConfig))
        for part in (f"### {title}", "", table(("directive", "here"), _rows(block_of(model))), "")
    ).rstrip()


def _rows(block: Block) -> Iterator[tuple[str, str]]:
    for row in block.rows:
        if row.outcome.reason == NOT_KNOWN_HERE:
            continue
        names = ", ".join(code(name) for name in (row.name, *row.others))
        note = difference(block.model, row.key)
        if row.outcome.state != "works":
            yield names, row.outcome.reason
        elif note:
            yield names, f"works; {note}"
