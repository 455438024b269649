"""What workers are told of a configuration."""

from media_api.server import ServerConfig
from media_streamer.supervisor.applier import TURN_SECONDS, egress_settings


def test_turn_servers_with_a_login_or_a_secret() -> None:
    servers = [
        {"url": "turn:a", "username": "anna", "password": "PW"},
        {"url": "turn:b", "secret": "S", "lifetime": 3600},
        {"url": "turn:c", "secret": "S"},
    ]
    settings = egress_settings(ServerConfig.model_validate({"ice_servers": servers}))
    told = [
        (one.url, one.username, one.password, one.secret, one.lifetime_seconds)
        for one in settings.ice_servers
    ]
    assert told == [
        ("turn:a", "anna", "PW", "", TURN_SECONDS),
        ("turn:b", "", "", "S", 3600),
        ("turn:c", "", "", "S", TURN_SECONDS),
    ]
