"""The site as `make docs` builds it: without a warning, and fit for its Content-Security-Policy."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from media_docs.operations import main as write_operations

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.timeout(150)
"""Whichever test is the first one builds the site."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-d", str(directory / "doctrees"), str(ROOT / "docs"), str(directory / "html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    write_operations(directory / "html" / "operations.js")
    return directory / "html"


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
