"""Which paths are pages of the documentation."""

from pathlib import Path

import pytest
from media_web.documentation import HEADERS, find_page


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "how-to").mkdir(parents=True)
    (site / "index.html").write_text("start")
    (site / "how-to/obs.html").write_text("OBS")
    (tmp_path / "secret").write_text("secret")
    return site


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("docs", "index.html"),
        ("docs/", "index.html"),
        ("docs/index.html", "index.html"),
        ("docs/how-to/obs.html", "how-to/obs.html"),
    ],
)
def test_pages_are_found(path: str, file: str, site: Path) -> None:
    assert find_page(path, site) == site / file


@pytest.mark.parametrize(
    "path",
    [
        "docs/index.m3u8",  # of a stream of that name
        "docs/embed.html",
        "docs/how-to",
        "docs/../../secret",
        "docs/../secret",
        "docs//etc/passwd",
        "docs/\0",
        "docs/" + "a" * 5000,
        "documents",
        "",
    ],
)
def test_nothing_else_is(path: str, site: Path) -> None:
    assert find_page(path, site) is None


def test_without_a_site_there_is_nothing(tmp_path: Path) -> None:
    assert find_page("docs", tmp_path / "none") is None


def test_pages_run_no_script_of_others() -> None:
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
