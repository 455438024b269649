"""Who may do what: roles, keys of streamers, tokens with a part of the rights."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.access import Caller, Keys, Tokens, key_digest, streamer_key
from media_central.models.tokens import StoredToken, TokenPermission
from media_central.setting_values import Login
from media_rest.credentials import basic_header, parse_authorization
from media_rest.route import Need

KEYS = Keys(Login("admin", "secret"), "api-key", Login("eye", "look"), {"of.pod.s1": "s1"}.get)


def caller(header: str, hostname: str | None = None, *tokens: StoredToken) -> Caller | None:
    credentials = parse_authorization(header)
    assert credentials is not None
    return KEYS.caller(credentials, Tokens(tokens), hostname)


def token(**fields: object) -> StoredToken:
    return StoredToken.parse({"name": "tok", "digest": key_digest("k" * 16), **fields})


def test_each_key_has_its_role() -> None:
    found = {
        header: caller(header, "s1")
        for header in (
            "Bearer api-key",
            basic_header("admin", "secret"),
            basic_header("eye", "look"),
            f"Bearer {streamer_key('api-key', 's1')}",
            basic_header(streamer_key("api-key", "s1"), ""),
            "Bearer of.pod.s1",
        )
    }
    roles = [found[header] and found[header].role for header in found]
    assert roles == ["admin", "admin", "viewer", "streamer", "streamer", "streamer"]


@pytest.mark.parametrize(
    ("header", "hostname"),
    [
        ("Bearer wrong", "s1"),
        (basic_header("admin", "look"), "s1"),
        (f"Bearer {streamer_key('api-key', 's1')}", "s2"),
        (f"Bearer {streamer_key('api-key', 's1')}", None),
        ("Bearer of.pod.s1", None),
        (basic_header("of.pod.s1", ""), "s1"),
        (basic_header("", ""), "s1"),
    ],
)
def test_a_key_is_good_for_its_own_place_only(header: str, hostname: str | None) -> None:
    assert caller(header, hostname) is None


def test_nothing_opens_where_nothing_is_set() -> None:
    keys = Keys(None, "")
    for header in ("Bearer x", basic_header("", ""), basic_header("a", "b")):
        credentials = parse_authorization(header)
        assert credentials is not None
        assert keys.caller(credentials, Tokens(), "s1") is None


@given(st.text(), st.text())
def test_keys_of_two_streamers_differ(one: str, other: str) -> None:
    assert (streamer_key("k", one) == streamer_key("k", other)) == (one == other)
    assert streamer_key("k", one) != streamer_key("l", one)


@pytest.mark.parametrize(
    ("role", "needs"),
    [
        ("admin", {"open", "view", "edit", "admin", "backend"}),
        ("editor", {"open", "view", "edit", "backend"}),
        ("viewer", {"open", "view"}),
        ("streamer", {"open", "backend"}),
    ],
)
def test_roles(role, needs: set[Need]) -> None:
    every: tuple[Need, ...] = ("open", "view", "edit", "admin", "backend")
    assert {need for need in every if Caller("x", role).has(need)} == needs


def test_a_token_is_presented_as_bearer_or_as_a_login() -> None:
    for header in ("Bearer " + "k" * 16, basic_header("tok", "k" * 16), basic_header("k" * 16, "")):
        found = caller(header, None, token())
        assert found is not None
        assert (found.name, found.role) == ("tok", "editor")
    assert caller(basic_header("other", "k" * 16), None, token()) is None


def test_permissions_narrow_a_token() -> None:
    permissions = [{"scopes": ["streams/sport%2F*"], "read": True, "list": True}]
    found = caller("Bearer " + "k" * 16, None, token(permissions=permissions))
    assert found is not None
    assert found.role == "viewer"
    assert found.may("read", "streams/sport/one")
    assert found.may("list", "streams"), "of which it is shown its part"
    assert found.may("list", "streams/sport/one")
    assert not found.may("list", "streams/news")
    assert not found.may("read", "streams/news")
    assert not found.may("write", "streams/sport/one")
    assert not found.may("list", "streamers")
    assert not found.sees_all


def test_bounds_hold_whatever_the_permissions_say() -> None:
    everything = TokenPermission.parse(
        {"scopes": ["*"], "read": True, "list": True, "write": True, "execute": True}
    )
    found = Caller("t", "editor", bounds=("streams/a*",), permissions=(everything,))
    assert found.may("write", "streams/a1")
    assert not found.may("write", "streams/b")
    assert not found.may("write", "api_tokens/x")


@given(st.text(), st.lists(st.text(), max_size=3))
def test_no_scope_opens_what_it_does_not_name(name: str, scopes: list[str]) -> None:
    permission = TokenPermission.parse({"scopes": scopes, "read": True})
    found = Caller("t", "viewer", permissions=(permission,))
    assert not found.may("write", f"streams/{name}")
    if not any("*" in scope or "?" in scope or "[" in scope or "%" in scope for scope in scopes):
        assert found.may("read", f"streams/{name}") == (f"streams/{name}" in scopes)
