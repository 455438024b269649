"""Secrets that a Stream names: what a streamer is told, and what everybody else is not."""

import base64
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.store.kubernetes import credentials
from media_central.store.kubernetes.credentials import (
    Credentials,
    Login,
    login_of,
    references,
    resolved,
    with_references,
    without_secrets,
)
from media_central.store.port import UnreadError
from media_kube import client as kube
from media_kube.client import KubeClient
from media_kube.errors import KubeError
from media_rest.redact import redact_push, redact_url
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


def test_a_url_that_only_a_secret_has_is_not_shown() -> None:
    config = {
        "inputs": [{"url": "srt://cam", **REF}, {"url": "fake://fake"}],
        "pushes": [{"url": "rtmp://service/app", "credentialsSecretRef": {"name": "push"}}],
    }
    whole = {
        "cam": Login(url="srt://10.0.0.9:9000?passphrase=x&streamid=hidden"),
        "push": Login(url="rtmps://live.example/app/key-123"),
    }
    seen = {
        "stats": {"url": redact_url(whole["cam"].url), "bitrate": 4000, "error": None},
        "inputs": [{"url": redact_url(whole["cam"].url)}, {"url": "fake://fake"}],
        "pushes": [{"url": redact_push(whole["push"].url), "stats": {"retries": 1}}],
        "source_error": f"{whole['cam'].url}: no answer",
    }
    assert without_secrets(seen, config, whole.get) == {
        "stats": {"url": "srt://cam", "bitrate": 4000, "error": None},
        "inputs": [{"url": "srt://cam"}, {"url": "fake://fake"}],
        "pushes": [{"url": "rtmp://service/app", "stats": {"retries": 1}}],
        "source_error": "srt://cam: no answer",
    }
    as_said = {"inputs": [{"url": "srt://***@cam"}], "error": "http://other/: no answer"}
    assert without_secrets(as_said, config, {"cam": LOGIN, "push": LOGIN}.get) is as_said


@pytest.mark.parametrize(
    "known", [{}, {"cam": Login(url="srt://new:1?streamid=n"), "push": Login("u", "p")}]
)
def test_a_url_that_a_secret_does_not_say_any_more_is_not_shown(known: dict[str, Login]) -> None:
    """The Secret was rotated, deleted, or not read: the streamer goes on with what it was told."""
    config = {
        "inputs": [{"url": "fake://fake"}, REF, {"url": "rtsp://b/1", **REF}],
        "pushes": [{"credentialsSecretRef": {"name": "push"}}, {"url": "rtmp://open/app/key"}],
    }
    old, words = "srt://10.0.0.9:9000?streamid=old", "as the Secret cam says"
    seen = {
        "name": "s",
        "inputs": [{"url": "fake://fake"}, {"url": old}, {"url": "rtsp://***@b/1"}],
        "pushes": [{"url": "rtmp://h/app/***"}, {"url": "rtmp://open/app/***"}],
        "stats": {
            "url": old,
            "source_error": f"cannot open {old}: no answer",
            "dvr_write": {"error": "s3://bucket: full"},
        },
    }
    assert without_secrets(seen, config, known.get) == {
        "name": "s",
        "inputs": [{"url": "fake://fake"}, {"url": words}, {"url": "rtsp://***@b/1"}],
        "pushes": [{"url": "as the Secret push says"}, {"url": "rtmp://open/app/***"}],
        "stats": {
            "url": words,
            "source_error": f"cannot open {words}: no answer",
            "dvr_write": {"error": "s3://bucket: full"},
        },
    }
    event = {"event": "source_opened", "media": "s", "url": old}
    assert without_secrets(event, config, known.get) == {**event, "url": words}


def test_a_secret_that_was_a_url_and_is_a_login_now() -> None:
    config = {"inputs": [{"url": "rtsp://cam/1", **REF}]}
    seen = {
        "inputs": [{"url": "srt://old/KEY"}],
        "stats": {"url": "rtsp://***@cam/1", "source_error": "srt://old/KEY: gone"},
    }
    assert without_secrets(seen, config, {"cam": LOGIN}.get) == {
        "inputs": [{"url": "rtsp://cam/1"}],
        "stats": {"url": "rtsp://***@cam/1", "source_error": "rtsp://cam/1: gone"},
    }


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


class Secrets:
    """An API server that has, refuses or does not give Secrets."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any] | KubeError] = {}
        self.reads: list[str] = []

    async def get(self, _: kube.Kind, __: str, name: str) -> dict[str, Any]:
        self.reads.append(name)
        answer = self.answers.get(name, KubeError(404, "NotFound", "gone"))
        if isinstance(answer, KubeError):
            raise answer
        return answer


@pytest.fixture
async def known(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Secrets, Credentials]]:
    """Of Streams that name `cam` and `other`."""
    monkeypatch.setattr(credentials, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(credentials, "FIRST_READ_SECONDS", 0.1)
    server = Secrets()
    named = {("media", "cam"), ("media", "other")}
    one = Credentials(cast(KubeClient, server), lambda: named)
    yield server, one
    await one.close()


async def test_a_secret_that_was_not_read_is_no_missing_one(
    known: tuple[Secrets, Credentials],
) -> None:
    server, one = known
    server.answers["cam"] = secret(username="u", password="p")
    with pytest.raises(UnreadError):
        one.find("media", "cam")
    one.start()
    await one.read()
    assert one.find("media", "cam") == Login("u", "p")
    assert one.find("media", "other") is None
    assert one.problem("media", "other") == ("SecretNotFound", "there is no Secret other in media")


async def test_each_change_is_another_version(known: tuple[Secrets, Credentials]) -> None:
    server, one = known
    versions = []
    for answer in (secret(username="u", password="1"), secret(username="u", password="2"), None):
        server.answers = {} if answer is None else {"cam": answer}
        for _ in range(2):
            await one.refresh()
            versions.append(one.version)
    assert versions == [1, 1, 2, 2, 3, 3]


async def test_an_api_server_that_is_away_takes_nothing_from_who_runs(
    known: tuple[Secrets, Credentials], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, one = known
    server.answers["cam"] = secret(username="u", password="p")
    await one.refresh()
    server.answers = {name: KubeError(500, "InternalError", "kms") for name in ("cam", "new")}
    monkeypatch.setattr(one, "_wanted", lambda: {("media", "cam"), ("media", "new")})
    one.start()
    with pytest.raises(UnreadError):
        one.find("media", "new")
    await one.read()
    assert one.find("media", "cam") == Login("u", "p")
    with pytest.raises(UnreadError):
        one.find("media", "new")
    assert server.reads.count("cam") <= 3, "only what is waited for is read again at once"
    monkeypatch.setattr(credentials, "GIVE_UP_SECONDS", 0.0)
    await one.read()
    assert one.find("media", "new") is None, "one Secret holds nobody up for ever"
    assert one.problem("media", "new") == (
        "SecretUnreadable",
        "the Secret new cannot be read: 500 InternalError: kms",
    )


async def test_what_no_stream_names_is_forgotten(
    known: tuple[Secrets, Credentials], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, one = known
    server.answers["cam"] = secret(username="u", password="p")
    await one.refresh()
    monkeypatch.setattr(one, "_wanted", set)
    await one.refresh()
    with pytest.raises(UnreadError):
        one.find("media", "cam")
    assert one.problem("media", "other") is None
