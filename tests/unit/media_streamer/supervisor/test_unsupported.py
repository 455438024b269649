"""What has no effect is said."""

from media_api.server import ServerConfig
from media_streamer.supervisor.unsupported import unsupported_parts


def test_alerts_name_what_has_no_effect() -> None:
    streams = [{"name": f"s{n}", "dvr": {"root": "/storage"}} for n in range(7)]
    config = ServerConfig.model_validate(
        {"listeners": {"rtsp": [554]}, "sources": [{"url": "origin"}], "streams": streams}
    )
    alerts = unsupported_parts(config)
    assert set(alerts) == {"listener_rtsp", "sources", "stream_dvr"}
    assert alerts["stream_dvr"].endswith("s0, s1, s2, s3, s4, …")


def test_only_scripts_among_the_event_sinks_have_no_effect() -> None:
    config = ServerConfig.model_validate(
        {
            "event_sinks": [
                {"name": "web", "url": "http://127.0.0.1/events"},
                {"name": "script", "url": "/etc/events.lua"},
            ]
        }
    )
    assert unsupported_parts(config) == {
        "event_sinks": "event sinks that are scripts have no effect: script"
    }


def test_an_ordinary_server_has_none() -> None:
    config = ServerConfig.model_validate(
        {"listeners": {"http": [80], "rtmp": [1935]}, "streams": [{"name": "a"}]}
    )
    assert unsupported_parts(config) == {}
