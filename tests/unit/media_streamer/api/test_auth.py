"""Who may use the API."""

import base64
import time

import pytest
from media_api.server import ServerConfig
from media_rest.credentials import cluster_header
from media_rest.errors import ApiError
from media_streamer.api.auth import require, right_of

NOW = time.time()
CLOSED = ServerConfig.model_validate(
    {"edit_auth": "admin secret", "view_auth": "viewer look", "cluster_key": "KEY"}
)


def header(kind: str, login: str, password: str) -> str:
    return f"{kind} {base64.b64encode(f'{login}:{password}'.encode()).decode()}"


@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
def test_rights(kind: str) -> None:
    assert right_of(CLOSED, header(kind, "admin", "secret"), "1.1.1.1", NOW, True) == "edit"
    assert right_of(CLOSED, header(kind, "viewer", "look"), "1.1.1.1", NOW, True) == "view"
    for wrong in (header(kind, "admin", "look"), header(kind, "", ""), f"{kind} ???", "Magic x"):
        with pytest.raises(ApiError) as caught:
            right_of(CLOSED, wrong, "1.1.1.1", NOW, True)
        assert caught.value.status == 403


def test_the_cluster_key_opens_everything() -> None:
    assert right_of(CLOSED, cluster_header("KEY", NOW), "1.1.1.1", NOW, True) == "edit"
    for wrong, code in (
        (cluster_header("OTHER", NOW), "authorization_failed"),
        (cluster_header("KEY", NOW - 400), "clock_skew"),
    ):
        with pytest.raises(ApiError) as caught:
            right_of(CLOSED, wrong, "1.1.1.1", NOW, True)
        assert (caught.value.status, caught.value.code) == (403, code)


def test_missing_credentials() -> None:
    with pytest.raises(ApiError) as caught:
        right_of(CLOSED, None, "1.1.1.1", NOW, interactive=True)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic")
    with pytest.raises(ApiError) as caught:
        right_of(CLOSED, None, "1.1.1.1", NOW, interactive=False)
    assert caught.value.status == 403


def test_an_open_api() -> None:
    config = ServerConfig.model_validate({"cluster_key": "KEY"})
    assert right_of(config, None, "1.1.1.1", NOW, True) == "edit"


def test_only_view_auth_leaves_nobody_to_edit() -> None:
    config = ServerConfig.model_validate({"view_auth": "viewer look"})
    right = right_of(config, header("Basic", "viewer", "look"), "1.1.1.1", NOW, True)
    require(right, "view")
    with pytest.raises(ApiError):
        require(right, "edit")


@pytest.mark.parametrize(
    ("ip", "allowed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.1.2.3", False), ("x", False), ("", False)],
)
def test_addresses(ip: str, allowed: bool) -> None:
    config = ServerConfig.model_validate({"api_allowed_from": ["10/8"]})
    if allowed:
        assert right_of(config, None, ip, NOW, True) == "edit"
    else:
        with pytest.raises(ApiError):
            right_of(config, None, ip, NOW, True)
