"""Servers that WebRTC peers are told of."""

from typing import Any

import pytest
from media_api.ice import IceServerConfig
from pydantic import ValidationError


@pytest.mark.parametrize(
    "server",
    [
        {"url": "stun:stun.example.org"},
        {"url": "stuns:[2001:db8::1]:5349"},
        {"url": "turn:192.0.2.1:3478?transport=tcp", "username": "a", "password": "b"},
        {"url": "turns:turn.example.org", "secret": "s", "lifetime": 3600},
    ],
)
def test_servers_that_can_be_told(server: dict[str, Any]) -> None:
    assert IceServerConfig.model_validate(server).url == server["url"]


@pytest.mark.parametrize(
    "server",
    [
        {"url": "http://example.org"},
        {"url": "stun:"},
        {"url": "stun:a b"},
        {"url": 'turn:a>; rel="x', "secret": "s"},
        {"url": "stun:a?transport=tcp"},
        {"url": "turn:a?transport=sctp", "secret": "s"},
        {"url": "turn:a"},
        {"url": "turn:a", "username": "b"},
        {"url": "turn:a", "username": "b\r\nX: c", "password": "d"},
        {"url": "turn:a", "secret": "s", "lifetime": 1},
    ],
)
def test_what_is_no_server_is_refused(server: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IceServerConfig.model_validate(server)
