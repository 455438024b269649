"""Which pages are let in: what browsers send, and what attackers make them send."""

import pytest
from media_rest.same_origin import (
    cors_headers,
    is_loopback,
    is_loopback_host,
    page_problem,
)

HERE = {"Host": "media.example.com:8080"}
OWN = "http://media.example.com:8080"
DASHBOARD = "https://dash.example.com"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"User-Agent": "curl/8"},
        {"Origin": OWN},
        {"Origin": DASHBOARD},
        {"Origin": "https://media.example.com:8080"},  # TLS ends at a proxy
        {"Origin": "https://other-name", "Sec-Fetch-Site": "same-origin"},  # so does its name
        {"Sec-Fetch-Site": "same-origin", **FIREFOX},
        {"Sec-Fetch-Site": "none", **FIREFOX},
        {"Referer": f"{OWN}/ui/streams", **FIREFOX},
    ],
)
def test_our_own_pages_programs_and_those_allowed(headers: dict[str, str]) -> None:
    for changes in (False, True):
        assert page_problem({**HERE, **headers}, {DASHBOARD}, changes=changes) == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://media.example.com"},  # another port is another program
        {"Origin": "http://media.example.com.evil.example:8080"},
        {"Origin": "http://media.example.com:8080:80"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_pages_of_others(headers: dict[str, str]) -> None:
    for changes in (False, True):
        assert page_problem({**HERE, **headers}, {DASHBOARD}, changes=changes)


def test_a_link_may_be_followed_but_changes_nothing() -> None:
    link = {**HERE, **FIREFOX, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert page_problem(link, (), changes=False) == ""
    assert page_problem(link, (), changes=True)


@pytest.mark.parametrize("referer", ["", "https://evil.example/x", "no url", "http://[::1"])
def test_a_browser_that_hides_its_page_changes_nothing_by_get(referer: str) -> None:
    image = {**HERE, **FIREFOX, **({"Referer": referer} if referer else {})}
    assert page_problem(image, (), changes=True)
    assert page_problem(image, (), changes=False) == ""


def test_only_allowed_pages_may_read() -> None:
    assert cors_headers({"Origin": DASHBOARD}, ()) == {}
    assert cors_headers({"Origin": "https://evil.example"}, {DASHBOARD}) == {"Vary": "Origin"}
    assert cors_headers({}, {DASHBOARD}) == {"Vary": "Origin"}
    asked = {"Origin": DASHBOARD, "Access-Control-Request-Private-Network": "true"}
    answer = cors_headers(asked, {DASHBOARD})
    assert answer["Access-Control-Allow-Origin"] == DASHBOARD
    assert answer["Access-Control-Allow-Private-Network"] == "true"
    assert "Access-Control-Allow-Credentials" not in answer


def test_names_of_this_machine() -> None:
    for host in (
        "localhost",
        "localhost:80",
        "a.localhost:1",
        "127.0.0.1:8080",
        "[::1]:1",
        "[::1]",
    ):
        assert is_loopback_host(host), host
    for host in ("", "evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example",
                 "u@localhost", "localhost/x", "[::1", "127.0.0.1:x"):  # fmt: skip
        assert not is_loopback_host(host), host
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:10.0.0.1")
    assert not is_loopback("here")
