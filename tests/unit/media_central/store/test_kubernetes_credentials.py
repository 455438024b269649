"""Secrets that a Stream names: what a streamer is told, and what everybody else is not."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.store.kubernetes.credentials import (
    Login,
    login_of,
    references,
    resolved,
    with_references,
)
from yarl import URL

REF = {"credentialsSecretRef": {"name": "cam"}}
LOGIN = Login("admin", "p@ss/w:rd")


def secret(**data: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def test_secrets_of_both_forms() -> None:
    assert login_of(secret(username="u", password="p")) == Login("u", "p")
    assert login_of(secret(url="rtsp://u:p@h/1", comment="x")) == Login(url="rtsp://u:p@h/1")
    assert "p@ss" not in repr(LOGIN)


@pytest.mark.parametrize(
    "body", [{}, {"data": None}, secret(username="u"), secret(password="p"), secret(token="t")]
)
def test_secrets_that_say_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="neither username and password nor url"):
        login_of(body)


@pytest.mark.parametrize("value", ["%%%", base64.b64encode(b"\xff\xfe").decode()])
def test_secrets_that_are_no_text(value: str) -> None:
    with pytest.raises(ValueError, match="no text"):
        login_of({"data": {"username": value, "password": "cA=="}})


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_login_fits_into_a_url(username: str, password: str) -> None:
    for url in ("rtsp://host:554/path?a=b@c", "rtsp://old:one@host:554/path?a=b@c"):
        told = URL(Login(username, password).put_into(url), encoded=True)
        assert (told.user, told.password) == (username, password)
        assert (told.host, told.port, told.path_qs) == ("host", 554, "/path?a=b@c")


def test_a_streamer_is_told_the_credentials_and_no_reference() -> None:
    config = {
        "name": "s",
        "inputs": [{"url": "rtsp://cam/1", "priority": 1, **REF}, {"url": "fake://fake"}],
        "pushes": [{"url": "rtmp://host/app/key", **REF}],
        "on_play": {"url": "http://auth/", "max_sessions": 3, **REF},
    }
    told = resolved(config, {"cam": LOGIN}.get)
    login = "admin:p%40ss%2Fw%3Ard"
    assert told == {
        "name": "s",
        "inputs": [{"url": f"rtsp://{login}@cam/1", "priority": 1}, {"url": "fake://fake"}],
        "pushes": [{"url": f"rtmp://{login}@host/app/key"}],
        "on_play": {"url": f"http://{login}@auth/", "max_sessions": 3},
    }
    assert config["inputs"][0] == {"url": "rtsp://cam/1", "priority": 1, **REF}, "left as it was"
    assert list(references(config)) == ["cam", "cam", "cam"]


def test_a_whole_url_takes_the_place_of_the_other() -> None:
    config = {"on_play": {**REF}, "inputs": [{"url": "srt://cam", **REF}]}
    told = resolved(config, {"cam": Login(url="securetoken://key")}.get)
    assert told["on_play"] == {"url": "securetoken://key"}
    assert told["inputs"] == [{"url": "securetoken://key"}]


def test_what_is_not_known_is_left_out_and_lets_nobody_in() -> None:
    config = {
        "inputs": [{"url": "rtsp://cam/1", **REF}, {"url": "fake://fake"}],
        "on_play": {"url": "http://auth/", **REF},
        "on_publish": {**REF},
    }
    told = resolved(config, lambda _: None)
    assert told["inputs"] == [{"url": "fake://fake"}], "no camera sees attempts without a login"
    assert told["on_play"] == {"url": "http://auth/"}
    assert told["on_publish"] == {"url": False}


def test_a_configuration_without_references_is_the_same_object() -> None:
    config = {"inputs": [{"url": "fake://fake"}], "on_play": True, "pushes": None}
    assert resolved(config, {}.get) is config


def test_a_change_by_rest_keeps_the_references() -> None:
    before = {
        "inputs": [{"url": "rtsp://cam/1", **REF}, {"url": "rtsp://cam/2", **REF}],
        "on_play": {"url": "http://auth/", **REF},
        "on_publish": {"url": "http://auth/", **REF},
    }
    after = {
        "title": "new",
        "inputs": [{"url": "rtsp://cam/2"}, {"url": "rtsp://cam/3"}],
        "on_play": {"url": "http://auth/2"},
    }
    assert with_references(after, before) == {
        "title": "new",
        "inputs": [{"url": "rtsp://cam/2", **REF}, {"url": "rtsp://cam/3"}],
        "on_play": {"url": "http://auth/2", **REF},
    }
