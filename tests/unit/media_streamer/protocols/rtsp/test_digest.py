"""Who proves the password, and who does not."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.rtsp.digest import (
    NONCE_SECONDS,
    Challenger,
    authorization,
    parse,
    response,
)


def test_the_example_of_rfc_7616() -> None:
    fields = {
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
    }
    user, realm, password = "Mufasa", "http-auth@example.org", "Circle of Life"
    found = response(user, realm, password, "GET", "/dir/index.html", fields)
    assert found == "8ca523f5e9506fed4657c9700eebdbec"
    fields["algorithm"] = "SHA-256"
    found = response(user, realm, password, "GET", "/dir/index.html", fields)
    assert found == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


@given(st.text("abc äß'", min_size=1), st.text("xyz 123", min_size=1))
def test_our_answer_passes_our_check(user: str, password: str) -> None:
    challenger = Challenger()
    digest, basic = challenger.challenges(1000.0)
    for challenge in (digest, basic):
        header = authorization([challenge], user, password, "PLAY", "rtsp://h/a")
        given_credentials = parse(header)
        assert given_credentials is not None
        assert challenger.is_correct(given_credentials, password, "PLAY", 1001.0)
        assert not challenger.is_correct(given_credentials, password + "!", "PLAY", 1001.0)


def test_method_nonce_and_age_count() -> None:
    challenger = Challenger()
    header = authorization(challenger.challenges(1000.0), "u", "p", "PLAY", "rtsp://h/a")
    credentials = parse(header)
    assert credentials is not None
    assert challenger.is_correct(credentials, "p", "PLAY", 1000.0)
    assert not challenger.is_correct(credentials, "p", "SETUP", 1000.0)
    assert not challenger.is_correct(credentials, "p", "PLAY", 1002.0 + NONCE_SECONDS)
    assert not Challenger().is_correct(credentials, "p", "PLAY", 1000.0)


@given(st.text(max_size=80))
def test_garbage_is_nobody(text: str) -> None:
    challenger = Challenger()
    for header in (
        text,
        f"Digest {text}",
        f"Basic {text}",
        f'Digest username="a", response="{text}"',
    ):
        credentials = parse(header)
        assert credentials is None or not challenger.is_correct(credentials, "secret", "PLAY")
