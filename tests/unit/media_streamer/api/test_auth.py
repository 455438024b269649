"""Who may use the API."""

import base64
import time

import pytest
from media_api.server import ServerConfig
from media_rest.credentials import cluster_header
from media_rest.errors import ApiError
from media_rest.guessing import FREE_FAILURES, GuessLimiter
from media_streamer.api.auth import Caller, Right, require, right_of

NOW = time.time()
CLOSED = ServerConfig.model_validate(
    {"edit_auth": "admin secret", "view_auth": "viewer look", "cluster_key": "KEY"}
)


def header(kind: str, login: str, password: str) -> str:
    return f"{kind} {base64.b64encode(f'{login}:{password}'.encode()).decode()}"


FAR = Caller("192.0.2.1")
HERE = Caller("127.0.0.1", local=True)


def right(config: ServerConfig, authorization: str | None = None, caller: Caller = FAR) -> Right:
    return right_of(config, authorization, caller, NOW, GuessLimiter())


def refusal(
    config: ServerConfig, authorization: str | None = None, caller: Caller = FAR
) -> ApiError:
    with pytest.raises(ApiError) as caught:
        right(config, authorization, caller)
    return caught.value


@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
def test_rights(kind: str) -> None:
    assert right(CLOSED, header(kind, "admin", "secret")) == "edit"
    assert right(CLOSED, header(kind, "viewer", "look")) == "view"
    for wrong in (header(kind, "admin", "look"), header(kind, "", ""), f"{kind} ???", "Magic x"):
        assert refusal(CLOSED, wrong).status == 403


def test_the_cluster_key_opens_everything() -> None:
    assert right(CLOSED, cluster_header("KEY", NOW)) == "edit"
    for wrong, code in (
        (cluster_header("OTHER", NOW), "authorization_failed"),
        (cluster_header("KEY", NOW - 400), "clock_skew"),
    ):
        error = refusal(CLOSED, wrong)
        assert (error.status, error.code) == (403, code)


def test_missing_credentials() -> None:
    error = refusal(CLOSED)
    assert error.status == 401
    assert error.headers["WWW-Authenticate"].startswith("Basic")
    assert refusal(CLOSED, caller=Caller("192.0.2.1", interactive=False)).status == 403
    assert refusal(CLOSED, caller=HERE).status == 401


def test_without_a_login_this_machine_reads_and_nobody_changes() -> None:
    config = ServerConfig.model_validate({"cluster_key": "KEY"})
    assert refusal(config).code == "no_login_configured"
    assert refusal(config, header("Basic", "admin", "admin")).code == "no_login_configured"
    assert right(config, caller=HERE) == "view"
    with pytest.raises(ApiError) as caught:
        require("view", "edit", config)
    assert caught.value.code == "no_login_configured"
    assert "edit_auth" in caught.value.title
    assert right(config, cluster_header("KEY", NOW)) == "edit"


def test_only_view_auth_leaves_nobody_to_edit() -> None:
    config = ServerConfig.model_validate({"view_auth": "viewer look"})
    view = right(config, header("Basic", "viewer", "look"))
    require(view, "view", config)
    with pytest.raises(ApiError):
        require(view, "edit", config)
    assert refusal(config, caller=HERE).status == 401


@pytest.mark.parametrize(
    ("ip", "allowed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.1.2.3", False), ("x", False), ("", False)],
)
def test_addresses(ip: str, allowed: bool) -> None:
    config = ServerConfig.model_validate(
        {"api_allowed_from": ["10/8"], "edit_auth": "admin secret"}
    )
    admin = header("Basic", "admin", "secret")
    if allowed:
        assert right(config, admin, Caller(ip)) == "edit"
    else:
        assert refusal(config, admin, Caller(ip)).code == "address_not_allowed"


def test_guesses_wait_and_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    guesses = GuessLimiter()

    def attempt(password: str, ip: str = "192.0.2.1") -> str:
        try:
            return right_of(CLOSED, header("Basic", "admin", password), Caller(ip), NOW, guesses)
        except ApiError as error:
            return f"{error.status} {error.headers.get('Retry-After', '')}".strip()

    with caplog.at_level("WARNING"):
        answers = [attempt(f"guess{number}") for number in range(2000)]
    assert answers == ["403"] * FREE_FAILURES + ["429 1"] * (2000 - FREE_FAILURES)
    assert attempt("secret") == "429 1", "also the right one is not looked at"
    assert attempt("secret", "192.0.2.2") == "edit"
    assert guesses.failures_total == FREE_FAILURES
    assert 1 <= len(caplog.records) <= FREE_FAILURES
    assert "from 192.0.2.1, login 'admin'" in caplog.text
    assert "guess" not in caplog.text
