"""All 59 operations that clients of Central know, each called and its answer decoded strictly.

What was saved comes back as it was saved, by the published names.
"""

import time

import pytest
from media_api.auth import AuthBackendConfig
from media_api.cluster import BalancerConfig
from media_api.episodes import KeptEpisode
from media_api.stream import StreamConfig
from media_central.models import CentralStreamerState, CentralStreamState, Layout
from media_central.models.agents import Agent, DvrName, Person
from media_central.models.cluster import ClusterHealth, WhoAmICentral
from media_central.models.config import CentralConfig
from media_central.models.episodes import Episode
from media_central.models.events import Event
from media_central.models.layouts import StreamerForecast, StreamLayout
from media_central.models.tokens import ApiTokenState

from tests.support.published import OPERATIONS, decode

NOW = round(time.time() * 1000)
EPISODE_ID = 1722279170848854000
STREAM = {
    "name": "a", "title": "A", "inputs": [{"url": "fake://fake", "priority": 1}],
    "labels": {"zone": "north"}, "claims": {"bitrate": 2500}, "namespace": "n", "static": True,
    "comment": "c", "on_play": {"url": "auth://rules", "max_sessions": 3},
    "dvr": {"reference": "store", "expiration": 3600}, "srt_publish": {"port": 6001},
    "thumbnails": {"enabled": True}, "pushes": [{"url": "rtmp://192.0.2.1/a/b"}],
    "transcoder": {"video": [{"track": 1, "bitrate": 1000}]}, "segment_duration": 2000,
}  # fmt: skip
STREAMER = {
    "channel_limit": 50, "cpu_limit": 90, "total_bandwidth": 100_000, "labels": {"zone": "north"},
    "namespace": "n", "fetch_timeout": 5000, "stale_timeout": 30_000, "is_restreamer": False,
    "public_payload_url": "https://s1.example.com", "private_payload_url": "http://10.0.0.1",
    "dvrs": [{"name": "store", "root": "/dvr"}],
    "config": {"server_names": [{"domain": "tv.example", "aliases": ["www.tv.example"]}]},
}  # fmt: skip
BALANCER = {
    "name": "lb", "mode": "usage",
    "servers": [
        {"name": "s1", "max_bitrate": 1000, "countries": ["DE"], "countries_default": True}
    ],
}  # fmt: skip
RULES = {
    "name": "rules", "allow_tokens": ["good"], "deny_ips": ["192.0.2.0/24"], "allow_default": False,
    "backends": [],
}  # fmt: skip
TOKEN = {
    "name": "t", "key": "0123456789abcdef",
    "permissions": [{"scopes": ["streams/*"], "read": True, "list": True}],
}  # fmt: skip
EPISODE = {
    "episode_id": EPISODE_ID, "media": "a", "opened_at": NOW - 9000, "updated_at": NOW - 1000,
    "episode_type": "generic", "payload": {"any": ["thing"]},
}  # fmt: skip
AUTH = "name=a&proto=hls&ip=10.0.0.1&token=good&request_type=new_session&request_number=0"

# operation, path, body, status, model, collection, what of the answer must be as it was sent
WALK = [
    ("auth_backend_save", "/auth_backends/rules", RULES, 200, AuthBackendConfig, "", RULES),
    ("auth_backend_get", "/auth_backends/rules", None, 200, AuthBackendConfig, "", RULES),
    ("auth_backends_list", "/auth_backends", None, 200, AuthBackendConfig, "auth_backends", None),
    ("stream_save", "/streams/a", STREAM, 200, CentralStreamState, "", STREAM),
    ("stream_get", "/streams/a?include_ingest_history=true", None, 200, CentralStreamState, "",
     STREAM),
    ("streams_list", "/streams", None, 200, CentralStreamState, "streams", None),
    ("streams_batch_update", "/streams/batch", [{"name": "b", "static": False}], 200,
     CentralStreamState, "streams", None),
    ("streamer_save", "/streamers/s1", STREAMER, 200, CentralStreamerState, "", STREAMER),
    ("streamer_get", "/streamers/s1", None, 200, CentralStreamerState, "", STREAMER),
    ("streamers_list", "/streamers", None, 200, CentralStreamerState, "streamers", None),
    ("streamers_batch_update", "/streamers/batch", [{"hostname": "s2"}], 200,
     CentralStreamerState, "streamers", None),
    ("batch_update_streams_layouts", "/streams/layouts",
     {"layouts": [{"name": "a", "ingest": "s1"}]}, 204, None, "", None),
    ("stream_layouts_get", "/streams/a/layouts", None, 200, Layout, "layouts", None),
    ("stream_layout_preview", "/streams/a/preview_layout_change", {"disabled": True}, 200,
     StreamLayout, "changes", None),
    ("batch_stream_layout_preview", "/streams/preview_layout_change",
     [{"name": "new", "namespace": "n"}], 200, StreamLayout, "changes", None),
    ("streamer_layout_preview", "/streamers/s1/preview_layout_change", {"channel_limit": 0}, 200,
     StreamerForecast, "changes", None),
    ("batch_streamer_layout_preview", "/streamers/preview_layout_change", [{"hostname": "s9"}],
     200, StreamerForecast, "changes", None),
    ("streamer_streams_list", "/streamers/s1/streams?host=s1", None, 200, StreamConfig, "streams",
     None),
    ("streamer_update_streams_list", "/streamers/s1/update-streams?host=s1&name=a", None, 200,
     StreamConfig, "streams", None),
    ("streamer_dynamic_streams_list", "/streamers/s1/dynamic-streams?host=s1&name=a,none", None,
     200, StreamConfig, "streams", None),
    ("srt_port_resolve", "/streamers/s1/srt_port_resolve/6001?mode=publish", None, 200, None, "",
     "a"),
    ("load_balancer_save", "/load-balancers/lb", BALANCER, 200, BalancerConfig, "", BALANCER),
    ("load_balancer_get", "/load-balancers/lb", None, 200, BalancerConfig, "", BALANCER),
    ("load_balancers_list", "/load-balancers", None, 200, BalancerConfig, "balancers", None),
    ("streaming_lb_playback", "/lb/lb/a/index.m3u8", None, 302, None, "", None),
    ("streaming_lb_publish", "/lb/lb/a/whip", None, 307, None, "", None),
    ("load_balancer_delete", "/load-balancers/lb", None, 204, None, "", None),
    ("auth_request", f"/auth?{AUTH}", None, 200, None, "", {}),
    ("auth_backend_delete", "/auth_backends/rules", None, 204, None, "", None),
    ("dvrs_list", "/dvrs", None, 200, DvrName, "dvrs", None),
    ("episode_save", f"/episodes/{EPISODE_ID}", EPISODE, 200, Episode, "", EPISODE),
    ("episode_get", f"/episodes/{EPISODE_ID}?dvr_presence_check=true", None, 200, Episode, "",
     EPISODE),
    ("episodes_list", "/episodes?media=a&updated_at_gt=1", None, 200, Episode, "episodes", None),
    ("external_episodes_list", f"/streamers/s1/episodes?media=a&opened_at_lt={NOW}", None, 200,
     KeptEpisode, "episodes", None),
    ("episode_delete", f"/episodes/{EPISODE_ID}", None, 204, None, "", None),
    ("central_events_list", "/events", None, 200, Event, "events", None),
    ("api_token_save", "/api_tokens/t", TOKEN, 200, ApiTokenState, "", TOKEN),
    ("api_token_get", "/api_tokens/t", None, 200, ApiTokenState, "", {**TOKEN, "key": "***"}),
    ("api_tokens_list", "/api_tokens", None, 200, ApiTokenState, "api_tokens", None),
    ("config_get", "/config", None, 200, CentralConfig, "", None),
    ("config_save", "/config", {"loglevel": "error", "log_requests": "true"}, 200, CentralConfig,
     "", {"loglevel": "error", "log_requests": "true"}),
    ("cluster_stats_get", "/cluster/stats", None, 200, ClusterHealth, "", None),
    ("liveness_probe", "/monitoring/liveness", None, 200, WhoAmICentral, "", None),
    ("readiness_probe", "/monitoring/readiness", None, 200, WhoAmICentral, "", None),
    ("agents_list", "/agents?stream_is=null", None, 200, Agent, "agents", None),
    ("agent_get", "/agents/1", None, 404, None, "", None),
    ("agent_logs_get", "/agents/1/logs", None, 404, None, "", None),
    ("agent_delete", "/agents/1", None, 404, None, "", None),
    ("agent_save", "/agents/1", {"id": "1"}, 501, None, "", None),
    ("agent_disconnect", "/agents/1/disconnect", None, 501, None, "", None),
    ("agent_reboot", "/agents/1/reboot", None, 501, None, "", None),
    ("agent_reset", "/agents/1/reset", None, 501, None, "", None),
    ("batch_update_agents_layouts", "/agents/layouts", {"layouts": []}, 501, None, "", None),
    ("persons_list", "/persons", None, 200, Person, "persons", None),
    ("person_get", "/persons/1", None, 404, None, "", None),
    ("person_delete", "/persons/1", None, 404, None, "", None),
    ("person_save", "/persons/1", {"person_id": 1}, 501, None, "", None),
    ("streamer_delete", "/streamers/s2", None, 204, None, "", None),
    ("stream_delete", "/streams/a", None, 204, None, "", None),
]  # fmt: skip


def test_the_walk_is_complete() -> None:
    assert [row[0] for row in WALK].count("stream_get") == 1
    assert {row[0] for row in WALK} == OPERATIONS.keys()
    assert len(WALK) == 59


@pytest.mark.parametrize("base", ["/streamer/api/v3", "/central/api/v3"])
async def test_every_operation(
    start_central, start_streamer, eventually, tmp_path, monkeypatch, base
):
    monkeypatch.setattr("media_central.settings.DEFAULT_FILE", tmp_path / "central.conf")
    for name in ("HTTP_PORT", "DATABASE_URL", "API_KEY", "EDIT_AUTH"):
        monkeypatch.delenv(name, raising=False)
    central = await start_central()
    streamer = await start_streamer("s1", stats={"uptime": 5, "cpu_usage": 7, "input_kbit": 2500})
    await central.api(
        "PUT", "/streamers/s1",
        {"api_url": streamer.url, "cluster_key": streamer.cluster_key, **STREAMER},
    )  # fmt: skip
    central.api.base = central.url + base

    async def online():
        return (await central.api("GET", "/streamers/s1"))[1]["stats"]

    await eventually(online)
    failures = {}
    for name, path, body, status, model, collection, expected in WALK:
        found, answer = await central.api(
            OPERATIONS[name].method, path, body, allow_redirects=False
        )
        try:
            assert found == status, answer
            if status >= 400:
                assert answer["errors"][0]["title"]
            if model is not None:
                decode(model, answer, collection)
            assert includes(answer, expected), answer
        except (AssertionError, ValueError, KeyError, TypeError) as error:
            failures[name] = str(error)[:1500]
        if name in ("stream_save", "streams_batch_update"):
            await eventually(lambda: "a" in streamer.running)
    assert not failures, f"{len(WALK) - len(failures)} of {len(WALK)}: {failures}"


def includes(answer, expected) -> bool:
    """Whether the answer says all that is expected, whatever else it says."""
    if isinstance(expected, dict) and expected:
        return isinstance(answer, dict) and all(
            key in answer and includes(answer[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list) and expected:
        return len(answer) == len(expected) and all(map(includes, answer, expected))
    return expected is None or answer == expected
