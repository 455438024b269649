"""Links whose address is not checked, in all the ways that their makers write."""

import pytest
from media_auth.securetoken import check, make_token
from media_auth.verdict import Question


@pytest.mark.parametrize(
    ("qs", "signed_ip", "allowed"),
    [
        ("", "10.0.0.7", True),
        ("", "", False),
        ("no_check_ip=true", "", True),
        ("no_check_ip=true", "10.0.0.7", False),
        ("remote=no_check_ip", "", True),
        ("remote=no_check_ip", "no_check_ip", True),
        ("remote=no_check_ip", "10.0.0.8", False),
        ("remote=other", "other", False),
    ],
)
def test_addresses(qs: str, signed_ip: str, allowed: bool) -> None:
    token = make_token("a/b", signed_ip, 1000, 2000, "secret", "salt")
    question = Question("play", "a/b", "hls", "10.0.0.7", token=token, qs=qs)
    assert check(question, "secret", 1500).allowed is allowed
