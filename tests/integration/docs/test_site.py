"""The site as `make docs` builds it: without a warning, and fit for its Content-Security-Policy."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support import site as built

pytestmark = pytest.mark.timeout(built.FIRST_TEST_SECONDS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built.site(tmp_path_factory)


def test_no_page_has_inline_script_or_style(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), page
        assert not re.search(
            r"<style|\sstyle=|\son\w+=", re.sub(r"<pre.*?</pre>", "", text, flags=re.S)
        ), page
        assert not re.search(r'(?:src|rel="stylesheet" href)="(?:https?:)?//', text), page


def test_links_between_pages_lead_somewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#]+)', page.read_text(encoding="utf-8")):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not parts.path.endswith((".html", ".js", ".css")):
                continue
            assert (page.parent / unquote(parts.path)).exists(), (page.name, link)


def test_the_search_finds_a_directive(site: Path) -> None:
    assert "segment_dur" in (site / "searchindex.js").read_text(encoding="utf-8")


def test_every_operation_is_told(site: Path) -> None:
    text = (site / "operations.js").read_text(encoding="utf-8")
    for path in ("/streams/{name}", "/config/stats", "/streamers/{hostname}"):
        assert path in text or path.replace("hostname", "name") in text, path
