"""The documentation site: `make docs` builds it, both programs serve it under /docs.

Markdown as GitHub shows it; links between pages are checked while it is built (-W). The theme is
our own, of a few small files, because the pages stand under a strict Content-Security-Policy: no
inline script, no inline style, nothing from elsewhere.
"""

import tomllib
from pathlib import Path
from typing import Any

from media_api.protocols import readme
from media_docs import messages

_ROOT = Path(__file__).resolve().parents[1]

project = "Media server"
version = release = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
extensions = ["myst_parser"]
exclude_patterns = ["media_docs", "theme"]
root_doc = "index"
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = [
    "misc.highlighting_failure",  # an excerpt need not be a whole program
    "myst.xref_missing",  # links into the repository; tests/unit/test_docs.py follows all links
]
highlight_language = "none"
html_theme = "plain"
html_theme_path = ["theme"]
html_title = "Media server"
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"


def _fill(_app: Any, page: str, source: list[str]) -> None:
    """The table of log messages, which would change with every line of code, is made here."""
    if page == "reference/messages":
        source[0] = readme.render(source[0], messages.TABLES)


def setup(app: Any) -> None:
    app.connect("source-read", _fill)
