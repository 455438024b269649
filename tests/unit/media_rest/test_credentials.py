"""Authorization headers: each form, wrong ones, and what must not leak."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_rest.credentials import (
    CredentialsError,
    basic_header,
    cluster_header,
    parse_authorization,
)

NOW = 1_700_000_000.5


def test_basic_and_bearer_carry_the_same_pair() -> None:
    header = basic_header("root", "pa:ss")
    for text in (header, header.replace("Basic", "Bearer"), header.replace("Basic", "basic")):
        credentials = parse_authorization(text)
        assert credentials is not None
        assert credentials.is_user("root", "pa:ss")
        assert not credentials.is_user("root", "pa")
        assert not credentials.is_user("", "")


def test_documented_example() -> None:
    credentials = parse_authorization("Basic YWRtaW46YWRtaW4=")
    assert credentials is not None
    assert credentials.is_user("admin", "admin")


def test_api_key() -> None:
    credentials = parse_authorization("Bearer some-key")
    assert credentials is not None
    assert credentials.is_api_key("some-key")
    assert not credentials.is_api_key("other")
    assert not credentials.is_api_key("")
    in_url = parse_authorization(basic_header("some-key", ""))
    assert in_url is not None
    assert in_url.is_api_key("some-key")


def test_cluster_header() -> None:
    header = cluster_header("abcd", NOW)
    # the digest is that of: printf '1700000000:abcd' | sha1sum
    assert header == "Cluster 1700000000:1508ad89fb1ddd8a9344a8a825a51b4fca710472"
    credentials = parse_authorization(header)
    assert credentials is not None
    assert credentials.is_cluster("abcd", NOW)
    assert credentials.is_cluster("abcd", NOW + 299)
    assert not credentials.is_cluster("abcd", NOW + 302)
    assert credentials.is_skewed("abcd", NOW + 302)
    assert not credentials.is_skewed("other", NOW + 302)
    assert not credentials.is_cluster("other", NOW)
    assert not credentials.is_cluster("", NOW)
    assert not credentials.is_user("", "")


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_header(header: str | None) -> None:
    assert parse_authorization(header) is None


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic ???", "Basic YWRtaW4=", "Bearer", "Bearer ", "Digest x", "Cluster x:y",
     "Cluster 1", "Cluster :a", "Cluster 1700000000:", "x" * 5000],
)  # fmt: skip
def test_malformed_header(header: str) -> None:
    with pytest.raises(CredentialsError):
        parse_authorization(header)


@given(st.text(max_size=60))
def test_any_header_is_parsed_or_refused(text: str) -> None:
    try:
        credentials = parse_authorization(text)
    except CredentialsError:
        return
    assert credentials is None or not credentials.is_user("root", "secret")


def test_secrets_are_not_shown() -> None:
    shown = repr(parse_authorization(basic_header("root", "hush")))
    assert "hush" not in shown
    assert "hush" not in repr(parse_authorization("Bearer hush"))


@pytest.mark.parametrize("header", ["Bearer \udcff\udcfe", "Basic \udcff", "Cluster 1:\udcff"])
def test_bytes_that_are_no_text_match_nothing(header: str) -> None:
    """aiohttp hands such bytes of a header on as lone surrogates."""
    try:
        credentials = parse_authorization(header)
    except CredentialsError:
        return
    assert credentials is not None
    assert not credentials.is_api_key("key")
    assert not credentials.is_user("a", "b")
    assert not credentials.is_cluster("key", 1)
