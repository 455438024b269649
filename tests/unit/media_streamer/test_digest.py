"""Who proves the password, and who does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.digest import NONCE_SECONDS, Challenger, authorization, parse, proves, response
from media_streamer.wire.control import DigestAnswer


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


def answer(challenger: Challenger, user: str, password: str, now: float = 1000.0) -> str:
    """The header with which a client answers the challenge of a second."""
    challenges = [challenger.basic, challenger.digest(now=now)]
    return authorization(challenges, user, password, "ANNOUNCE", "rtsp://h/a")


@given(st.text("abc äß'", min_size=1), st.text("xyz 123", min_size=1))
def test_the_right_password_is_proven_and_no_other(user: str, password: str) -> None:
    challenger = Challenger()
    credentials = parse(answer(challenger, user, password))
    assert credentials is not None
    assert challenger.is_fresh(credentials, 1001.0)
    shown = DigestAnswer("ANNOUNCE", credentials.fields)
    assert proves(shown, password)
    assert not proves(shown, password + "!")
    assert not proves(DigestAnswer("RECORD", credentials.fields), password)


def test_a_nonce_is_ours_and_holds_for_some_time() -> None:
    challenger = Challenger()
    credentials = parse(answer(challenger, "u", "p"))
    assert credentials is not None
    assert challenger.is_fresh(credentials, 1000.0)
    assert not challenger.is_fresh(credentials, 1002.0 + NONCE_SECONDS)
    assert not Challenger().is_fresh(credentials, 1000.0)
    assert not Challenger("elsewhere").is_fresh(credentials, 1000.0)
    assert "stale=true" in challenger.digest(stale=True)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_costs_one_more_challenge(hours: int) -> None:
    challenger, then = Challenger(), 1_000_000.0
    before = parse(answer(challenger, "u", "p", then))
    assert before is not None
    now = then + 3600 * hours
    assert not challenger.is_fresh(before, now)
    again = parse(answer(challenger, "u", "p", now))
    assert again is not None
    assert challenger.is_fresh(again, now)


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
        if credentials is not None:
            assert not challenger.is_fresh(credentials)
            assert not proves(DigestAnswer("PLAY", credentials.fields), "secret")
