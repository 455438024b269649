"""Addresses of scripts."""

import pytest
from media_api.scripts import script_path


@pytest.mark.parametrize("url", ["/etc/a.lua", "lua:///etc/a.lua"])
def test_a_script(url: str) -> None:
    path = script_path(url)
    assert path is not None
    assert str(path) == "/etc/a.lua"


@pytest.mark.parametrize(
    "url",
    ["", "a.lua", "lua://a.lua", "/etc/passwd", "http://h/a.lua", "/etc/../a.lua", "/a\0.lua"],
)
def test_no_script(url: str) -> None:
    assert script_path(url) is None
