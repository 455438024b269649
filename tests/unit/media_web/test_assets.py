"""Files of the UI as they are sent."""

import gzip
import re

import pytest
from media_web import assets

GZIP = {"Accept-Encoding": "br;q=1, gzip;q=0.8"}
LOGIN = (
    "style.css", "vendor/uPlot.css", "player/player.css", "app.js", "vendor/htm-preact.js",
    "api.js", "hooks.js", "i18n.js", "widgets.js", "pages/login.js", "favicon.svg",
)  # fmt: skip
LOGIN_BYTES = 60_000


def test_page_names_files_that_never_change() -> None:
    page = assets.index()
    text = page.body.decode()
    named = re.findall(r'(?:href|src)="/ui/static/([^"]+)"', text)
    assert len(named) >= 3
    for path in named:
        answer = assets.answer(path, {})
        assert answer is not None
        assert "immutable" in answer.headers["Cache-Control"]
    assert page.headers["Cache-Control"] == "no-cache"


def test_page_names_the_modules_that_the_first_one_needs() -> None:
    text = assets.index().body.decode()
    named = re.findall(r'rel="modulepreload" href="/ui/static/[^/]+/([^"]+)"', text)
    assert named == assets.modules_of("app.js")
    assert {"api.js", "vendor/htm-preact.js", "pages/login.js"} <= set(named)
    assert not any("wall" in name or "vendor/hls" in name for name in named)
    assert {"forms/units.js", "widgets.js"} <= set(assets.modules_of("forms/form.js"))


def test_old_and_missing_versions_are_asked_for_again() -> None:
    for path in ("app.js", "0123456789ab/app.js"):
        answer = assets.answer(path, {})
        assert answer is not None
        assert answer.headers["Cache-Control"] == "no-cache"
        again = assets.answer(path, {"If-None-Match": f'"x", W/{answer.headers["ETag"]}'})
        assert again is not None
        assert (again.status, again.body) == (304, b"")


def test_files_are_packed_where_the_browser_takes_it() -> None:
    plain, packed = assets.answer("app.js", {}), assets.answer("app.js", GZIP)
    assert plain is not None
    assert packed is not None
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert gzip.decompress(packed.body) == plain.body
    refused = assets.answer("app.js", {"Accept-Encoding": "gzip;q=0, br"})
    assert refused is not None
    assert "Content-Encoding" not in refused.headers


@pytest.mark.parametrize(
    "path", ["", "../__init__.py", "nothing.js", "vendor", "a\0b", f"{assets.version()}/../x"]
)
def test_nothing_else_is_sent(path: str) -> None:
    assert assets.answer(path, {}) is None


def test_login_needs_few_bytes() -> None:
    sizes = [len(found.body) for name in LOGIN if (found := assets.answer(name, GZIP))]
    assert len(sizes) == len(LOGIN)
    assert sum(sizes) < LOGIN_BYTES
