"""Countries of addresses: a database made here, replaced while it is used, and broken."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.auth import AuthBackendConfig, AuthSpec
from media_auth.countries import Countries, open_countries
from media_auth.http_backend import HttpBackend
from media_auth.rules import check_restrictions, check_rules
from media_auth.verdict import Question

from tests.support.country_database import write_country_database

NETWORKS = {"10.0.0.0/8": "DE", "192.0.2.0/24": "FR", "2001:db8::/32": "GB"}


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("8.8.8.8", "US"), ("::ffff:8.8.8.8", "US"), ("193.0.6.139", "NL"), ("2001:67c::1", "EU"),
        ("10.0.0.1", ""), ("127.0.0.1", ""), ("::1", ""), ("garbage", ""), ("", ""),
    ],
)  # fmt: skip
def test_countries_that_come_with_the_server(ip: str, country: str) -> None:
    found = open_countries("builtin")
    if country == "EU":
        assert len(found.of(ip)) in (0, 2)
    else:
        assert found.of(ip) == country
    found.refresh()
    found.close()


@pytest.fixture
def countries(tmp_path: Path) -> Countries:
    return Countries(write_country_database(tmp_path / "countries.mmdb", NETWORKS))


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("10.1.2.3", "DE"), ("192.0.2.9", "FR"), ("2001:db8::1", "GB"), ("::ffff:10.0.0.1", "DE"),
        ("11.0.0.1", ""), ("fd00::1", ""), ("", ""), ("garbage", ""), ("10.1.2.3.4", ""),
    ],
)  # fmt: skip
def test_an_address_has_its_country(countries: Countries, ip: str, country: str) -> None:
    assert countries.of(ip) in (country, "DE" if ip.startswith("::ffff") else country)


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    countries = Countries.__new__(Countries)
    countries._reader = None
    assert countries.of(text) == ""


def test_a_replaced_file_is_read_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = write_country_database(tmp_path / "c.mmdb", {"10.0.0.0/8": "DE"})
    countries = Countries(path)
    write_country_database(path, {"10.0.0.0/8": "IT"})
    os.utime(path, (1, 1))
    countries.refresh()
    assert countries.of("10.0.0.1") == "IT"
    path.write_bytes(b"broken")
    os.utime(path, (2, 2))
    countries.refresh()
    assert countries.of("10.0.0.1") == "IT"
    path.unlink()
    countries.refresh()
    assert countries.of("10.0.0.1") == "IT"


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no database")
    with pytest.raises(ValueError, match="no database of countries"):
        Countries(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        Countries(tmp_path / "none")


def question(ip: str, **words: str) -> Question:
    return Question("play", "a", "hls", ip, **words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "ip", "allowed"),
    [
        ({"allowed_countries": ["de"]}, "10.0.0.1", True),
        ({"allowed_countries": ["FR", "DE"]}, "192.0.2.1", True),
        ({"allowed_countries": ["DE"]}, "192.0.2.1", False),
        ({"allowed_countries": ["DE"]}, "11.0.0.1", False),
        ({"disallowed_countries": ["DE"]}, "10.0.0.1", False),
        ({"disallowed_countries": ["DE"]}, "11.0.0.1", True),
        ({"allowed_countries": ["DE"], "disallowed_countries": ["DE"]}, "10.0.0.1", False),
    ],
)
def test_restrictions(countries: Countries, spec: dict, ip: str, allowed: bool) -> None:
    refused = check_restrictions(AuthSpec.parse(spec), question(ip), countries)
    assert (refused is None) == allowed
    assert check_restrictions(AuthSpec.parse(spec), question(ip)) is not None, "without a database"


@pytest.mark.parametrize(
    ("rules", "ip", "words", "allowed"),
    [
        ({"allow_countries": ["DE"]}, "10.0.0.1", {}, True),
        ({"allow_countries": ["DE"]}, "192.0.2.1", {}, False),
        ({"deny_countries": ["DE"], "allow_default": True}, "10.0.0.1", {}, False),
        ({"deny_countries": ["DE"], "allow_default": True}, "192.0.2.1", {}, True),
        # The order is fixed: tokens, addresses, countries, agents.
        ({"allow_tokens": ["t"], "deny_ips": ["10.0.0.0/8"]}, "10.0.0.1", {"token": "t"}, True),
        ({"deny_tokens": ["t"], "allow_ips": ["10.0.0.0/8"]}, "10.0.0.1", {"token": "t"}, False),
        ({"allow_ips": ["10.0.0.1"], "deny_countries": ["DE"]}, "10.0.0.1", {}, True),
        (
            {"deny_countries": ["DE"], "allow_uas": ["MAG"]},
            "10.0.0.1",
            {"user_agent": "MAG"},
            False,
        ),
        (
            {"allow_uas": ["MAG"], "deny_uas": ["MAG250"]},
            "11.0.0.1",
            {"user_agent": "MAG250"},
            True,
        ),
        ({"deny_uas": ["bot"], "allow_default": True}, "11.0.0.1", {"user_agent": "a bot"}, False),
    ],
)
async def test_rule_sets(
    countries: Countries, rules: dict, ip: str, words: dict, allowed: bool
) -> None:
    parsed = AuthBackendConfig.parse({"name": "r", **rules})
    backend = HttpBackend.__new__(HttpBackend)  # no rule here has one
    verdict = await check_rules(parsed, question(ip, **words), backend, countries)
    assert verdict.allowed == allowed
