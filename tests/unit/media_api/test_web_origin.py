"""Origins of web pages."""

import pytest
from media_api.web_origin import parse_web_origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://dash.example.com", "https://dash.example.com"),
        ("HTTPS://Dash.Example.com:443/", "https://dash.example.com"),
        ("http://10.0.0.1:3000", "http://10.0.0.1:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_as_browsers_write_them(text: str, origin: str) -> None:
    assert parse_web_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    ["", "*", "null", "dash.example.com", "ftp://x", "https://", "https://x/path", "https://u@x",
     "https://x:port", "https://x?q", "https://[::1"],
)  # fmt: skip
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match="no web site"):
        parse_web_origin(text)
