"""The documentation is in step with the code, and its links lead somewhere."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from media_api.protocols import readme
from media_docs import messages
from media_docs.__main__ import PAGES, ROOT, main
from media_streamer import variables
from media_streamer.wire.control import StreamEvent

DOCS = ROOT / "docs"
MARKDOWN = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
SOURCES = ROOT / "streamer-image" / "media_streamer"
INTERNAL = {"STREAMER_MEDIA_MEMORY", "STREAMER_ORPHAN_SECONDS"}
"""Told by the supervisor to its workers."""


def test_made_parts_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_each_made_page_is_there() -> None:
    for name, tables in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for table in tables:
            made = text.partition(f"<!-- made: {table} -->")[2].partition("<!-- end -->")[0]
            assert made.count("\n") > 3, (name, table)


def test_log_messages_are_read_from_the_code() -> None:
    counts = {program: len(messages.found(program)) for program in messages.PROGRAMS}
    assert counts["streamer"] > 100
    assert counts["central"] > 20
    assert counts["operator"] > 2
    page = readme.render((DOCS / "reference/messages.md").read_text("utf-8"), messages.TABLES)
    assert page.count("| warning |") > 50
    assert "%s" not in page


def test_every_environment_variable_is_told() -> None:
    told = {name for one in variables.VARIABLES for name in one.names}
    told |= set(variables.UNSERVED) | INTERNAL
    read = {
        name
        for path in SOURCES.rglob("*.py")
        for name in re.findall(r'"(STREAMER_[A-Z][A-Z_]*[A-Z])"', path.read_text(encoding="utf-8"))
    }
    from media_streamer.config.environment import _VARIABLES

    assert read | {f"STREAMER_{name}" for name in _VARIABLES} <= told


def test_every_event_is_told() -> None:
    told = (DOCS / "events.md").read_text(encoding="utf-8")
    names = set(get_args(get_type_hints(StreamEvent)["event"]))
    for path in SOURCES.rglob("*.py"):
        names |= set(re.findall(r'_?emit\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8")))
    assert len(names) > 10
    for name in names:
        assert f"`{name}`" in told, name


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """As GitHub and the site's generator make them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}
