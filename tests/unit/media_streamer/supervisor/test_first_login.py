"""Which servers get a password of their own."""

import logging
from pathlib import Path
from typing import Any

import pytest
from media_api.server import ServerConfig
from media_streamer.supervisor.first_login import settle_login

PUBLIC: dict[str, Any] = {"listeners": {"http": ["8080"]}}


@pytest.mark.parametrize(
    "listeners",
    [{"http": ["8080"]}, {"http": ["10.0.0.1:80"]}, {"https": ["0.0.0.0:443"]},
     {"http": ["127.0.0.1:80", "[::]:81"]}],
)  # fmt: skip
def test_a_server_that_others_reach(
    listeners: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ServerConfig.model_validate({"listeners": listeners})
    settle_login(config, tmp_path)
    assert config.edit_auth is not None
    told = capsys.readouterr().err
    assert config.edit_auth.password in told
    again = ServerConfig.model_validate({"listeners": listeners})
    settle_login(again, tmp_path)
    assert again.edit_auth == config.edit_auth
    assert capsys.readouterr().err == "", "it is told once"


@pytest.mark.parametrize(
    "config",
    [
        {"listeners": {"http": ["127.0.0.1:80", "[::1]:80", "localhost:81"]}},
        {"listeners": {"http": [{"port": 80, "api": False}], "rtmp": ["1935"]}},
        {},
        PUBLIC | {"view_auth": "viewer look"},
        PUBLIC | {"cluster_key": "KEY"},
    ],
)
def test_a_server_that_needs_none(
    config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checked = ServerConfig.model_validate(config)
    with caplog.at_level(logging.WARNING):
        settle_login(checked, tmp_path)
    assert checked.edit_auth is None
    assert list(tmp_path.iterdir()) == []
    assert "there is no edit_auth" in caplog.text


def test_where_nothing_can_be_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("in the way")
    config = ServerConfig.model_validate(PUBLIC)
    settle_login(config, tmp_path / "state")
    assert config.edit_auth is None
    assert "STREAMER_EDIT_AUTH" in caplog.text
