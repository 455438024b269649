"""Streamers as Central connects, provisions, judges and uses them; the streamers are fakes."""

import json

import pytest
from media_central.access import streamer_key

FAKE = {"inputs": [{"url": "fake://fake"}]}


@pytest.fixture
def connect(central, eventually):
    async def connect(streamer, **fields):
        status, answer = await central.api(
            "PUT",
            f"/streamers/{streamer.hostname}",
            {"api_url": streamer.url, "cluster_key": streamer.cluster_key, **fields},
        )
        assert status == 200, answer

        async def online():
            return (await central.api("GET", f"/streamers/{streamer.hostname}"))[1]["stats"]

        await eventually(online)

    return connect


@pytest.fixture
def ingest(central):
    async def ingest(name):
        _, stream = await central.api("GET", f"/streams/{name}")
        return stream.get("layout", {}).get("ingest")

    return ingest


async def test_a_stream_runs_on_the_connected_streamer(
    central, start_streamer, connect, eventually
):
    streamer = await start_streamer("s1")
    await connect(streamer)
    assert streamer.config["config_external"] == (
        f"http://{streamer_key('test-api-key', 's1')}@127.0.0.1:{central.settings.http_port}"
        "/streamer/api/v3/streamers/s1"
    )
    await central.api("PUT", "/streams/a", {**FAKE, "title": "A", "preferred_streamer": "s1"})
    await eventually(lambda: streamer.running == {"a"})
    assert streamer._running["a"] == {"name": "a", "title": "A", **FAKE}

    async def playing():
        _, stream = await central.api("GET", "/streams/a")
        return stream if stream["stats"]["status"] == "running" else None

    stream = await eventually(playing)
    assert stream["stats"]["running_on"] == ["s1"]
    assert stream["stats"]["streaming_endpoint"] == streamer.url
    urls = {item["title"]: item["url"] for item in stream["stats"]["play_urls"]}
    assert urls["HLS"] == f"{streamer.url}/a/index.m3u8"
    assert urls["RTMP"] == "rtmp://127.0.0.1/static/a"
    assert stream["layout"]["ingest"] == "s1"
    assert stream["layout"]["originator"] == "layouter"
    await central.api("DELETE", "/streams/a")
    await eventually(lambda: streamer.running == set())


async def test_a_disabled_stream_stops_and_loses_its_place(
    central, start_streamer, connect, eventually, ingest
):
    streamer = await start_streamer("s1")
    await connect(streamer)
    await central.api("PUT", "/streams/a", FAKE)
    await eventually(lambda: streamer.running == {"a"})
    await central.api("PUT", "/streams/a", {"disabled": True})
    await eventually(lambda: streamer.running == set())

    async def unplaced():
        return await ingest("a") is None

    await eventually(unplaced)


async def test_streams_of_a_dead_streamer_move_and_do_not_flap_back(
    central, start_streamer, connect, eventually, ingest
):
    first, second = await start_streamer("s1"), await start_streamer("s2")
    await connect(first)
    await central.api("PUT", "/streams/a", FAKE)
    await eventually(lambda: first.running == {"a"})
    await connect(second)
    await first.stop()
    await eventually(lambda: second.running == {"a"})
    _, stream = await central.api("GET", "/streams/a?include_ingest_history=true")
    assert stream["layout"]["failover_from"] == "s1"
    assert stream["layout"]["change_reason"] == "node_become_offline"
    assert [item["ingest"] for item in stream["layout"]["ingest_history"]] == ["s1"]
    await first.start()
    await eventually(lambda: first.running == set())
    assert await ingest("a") == "s2"

    async def history():
        _, answer = await central.api("GET", "/streams/a/layouts")
        hosts = [item["ingest"] for item in answer["layouts"] if "ingest" in item]
        return hosts if len(hosts) == 2 else None

    assert await eventually(history) == ["s2", "s1"]


async def test_preference_selector_pin_and_namespace_decide(
    central, start_streamer, connect, eventually, ingest
):
    await connect(await start_streamer("s1"), labels={"zone": "a"})
    await connect(await start_streamer("s2"), labels={"zone": "b"})
    await connect(await start_streamer("s3"), namespace="vip")
    wanted = {
        "preferred": ({"preferred_streamer": "s2"}, "s2"),
        "selected": ({"streamer_selector": {"zone": "a"}}, "s1"),
        "pinned": ({"streamer": "s2"}, "s2"),
        "vip": ({"namespace": "vip"}, "s3"),
        "captured": ({"cluster_ingest": {"capture_at": "s1"}}, "s1"),
    }
    for name, (fields, _) in wanted.items():
        await central.api("PUT", f"/streams/{name}", {**FAKE, **fields})
    for name, (_, host) in wanted.items():

        async def placed(name=name, host=host):
            return await ingest(name) == host

        await eventually(placed)


async def test_a_stream_that_fits_nowhere_says_why(central, start_streamer, connect, eventually):
    await connect(await start_streamer("s1"))
    await central.api("PUT", "/streams/a", {**FAKE, "streamer_selector": {"zone": "moon"}})

    async def told():
        _, stream = await central.api("GET", "/streams/a")
        return stream["stats"].get("source_error")

    assert "without the required labels" in await eventually(told)


async def test_a_draining_streamer_loses_its_streams(central, start_streamer, connect, eventually):
    first, second = await start_streamer("s1"), await start_streamer("s2")
    await connect(first)
    await central.api("PUT", "/streams/a", FAKE)
    await eventually(lambda: first.running == {"a"})
    await connect(second)
    first.watched = set()
    await central.api("PUT", "/streamers/s1", {"draining": True})
    await eventually(lambda: (first.running, second.running) == (set(), {"a"}))


async def test_viewers_of_a_draining_streamer_notice_nothing(
    central, start_streamer, connect, eventually
):
    """It goes on until the new one has frames, then takes the stream from there while watched."""
    first = await start_streamer("s1")
    second = await start_streamer("s2", stream_stats={"status": "error", "alive": False})
    await connect(first)
    await central.api("PUT", "/streams/a", {**FAKE, "on_play": "auth://x"})
    await eventually(lambda: first.running == {"a"})
    await connect(second)
    first.watched = {"a"}
    await central.api("PUT", "/streamers/s1", {"draining": True})
    await eventually(lambda: second.running == {"a"})
    assert first._running["a"]["inputs"] == FAKE["inputs"], "the new one has no frames yet"
    second.stream_stats = {"status": "running", "alive": True}

    def copied():
        return first._running["a"]["inputs"][0]["url"] == f"m4f://{second.url[7:]}/a"

    await eventually(copied)
    assert first._running["a"]["static"] is False
    assert first._running["a"]["on_play"] == {"url": "auth://x"}, "its own viewers keep their rules"
    first.watched = set()
    await eventually(lambda: first.running == set())


async def test_rule_sets_and_the_block_config_are_kept_on_the_streamers(
    central, start_streamer, connect, eventually
):
    streamer = await start_streamer("s1")
    block = {"server_names": [{"domain": "tv.example"}]}
    await connect(streamer, config=block)
    await central.api("PUT", "/auth_backends/vip", {"allow_tokens": ["secret"]})
    await eventually(
        lambda: [one["name"] for one in streamer.config.get("auth_backends", [])] == ["vip"]
    )
    assert streamer.config["auth_backends"][0]["allow_tokens"] == ["secret"]
    assert streamer.config["server_names"] == [{"domain": "tv.example"}]
    sinks = {one["name"]: one["url"] for one in streamer.config["event_sinks"]}
    assert sinks["central"].endswith("/streamer/api/v3/events/collector?server=s1")
    await central.api("DELETE", "/auth_backends/vip")
    await eventually(lambda: streamer.config["auth_backends"] == [])
    status, error = await central.api("PUT", "/streamers/s1", {"config": {"rproxy": {"x": 1}}})
    assert (status, "not served" in str(error)) == (400, True)


async def test_copies_of_archives_are_kept_elsewhere(
    central, start_streamer, connect, ingest, eventually
):
    for name in ("s1", "s2", "s3"):
        await connect(await start_streamer(name))
    dvr = {"root": "/dvr", "redundancy_factor": 1}
    await central.api("PUT", "/streams/a", {**FAKE, "dvr": dvr, "preferred_streamer": "s1"})

    async def copies():
        _, stream = await central.api("GET", "/streams/a")
        return stream.get("layout", {}).get("dvr_backups")

    (copy,) = await eventually(copies)
    assert copy in ("s2", "s3")
    _, answer = await central.api("GET", f"/streamers/{copy}/streams?host={copy}")
    (config,) = answer["streams"]
    assert config["static"] is True
    assert config["dvr"] == dvr
    assert config["inputs"][0]["url"].startswith("m4f://127.0.0.1:"), "times stay what they are"
    assert "remote_dvr" not in config["inputs"][0], "it has an archive of its own"
    await central.api("PUT", "/streams/a", {"dvr": {"redundancy_factor": 0}})

    async def none():
        return not await copies()

    await eventually(none)


async def test_on_demand_streams_are_given_on_request_only(
    central, start_streamer, connect, ingest, eventually
):
    await connect(await start_streamer("s1"))
    await connect(await start_streamer("edge"), is_restreamer=True, labels={"edge": "1"})
    presented = {"segment_duration": 1000, "chunk_duration": 100, "url_prefix": "http://cdn"}
    own = {"pushes": [{"url": "rtmp://192.0.2.1/a/b"}], "transcoder": {"vb": 1000}}
    body = {**FAKE, "static": False, "streamer": "s1", **presented, **own}
    await central.api("PUT", "/streams/a%2Fb", body)

    async def placed():
        return await ingest("a%2Fb") == "s1"

    await eventually(placed)

    async def names(path):
        status, answer = await central.api("GET", path)
        assert status == 200, answer
        return {item["name"]: item for item in answer["streams"]}

    assert await names("/streamers/s1/streams?host=s1") == {}
    assert set(await names("/streamers/s1/dynamic-streams?name=a/b&host=s1")) == {"a/b"}
    assert set(await names("/streamers/s1/update-streams?name=a/b,gone")) == {"a/b"}
    relayed = (await names("/streamers/edge/dynamic-streams?name=a/b"))["a/b"]
    assert relayed["static"] is False
    assert {key: relayed[key] for key in presented} == presented
    assert not own.keys() & relayed.keys(), "nobody gets it twice"
    by_frames, by_ts = relayed["inputs"]
    assert by_frames["url"].startswith("m4f://127.0.0.1:")
    assert by_frames["url"].endswith("/a/b")
    assert by_frames["remote_dvr"] == "nochain", "what is recorded is asked for there"
    assert by_ts["url"].endswith("/a/b/mpegts"), "where frames are of another release"
    assert {one["cluster_key"] for one in relayed["inputs"]} == {"cluster"}, "past on_play"
    assert (await central.api("GET", "/streamers/s1/dynamic-streams"))[0] == 400
    assert (await central.api("GET", "/streamers/nobody/streams"))[0] == 404


async def test_health_names_the_wrong_cluster_key(central, start_streamer, eventually):
    streamer = await start_streamer("s1", cluster_key="right")
    await central.api(
        "PUT", "/streamers/s1", {"api_url": streamer.url, "cluster_key": "wrong-secret"}
    )

    async def judged():
        _, item = await central.api("GET", "/streamers/s1")
        return item if item.get("healthcheck_status") else None

    item = await eventually(judged)
    assert item["stats"] is None
    checks = item["healthcheck_status"]["checks"]
    assert (checks["reachable"], checks["valid_cluster_key"]) == (True, False)
    assert checks["errors_details"][0]["rule"] == "valid_cluster_key"
    assert "wrong-secret" not in json.dumps(item), "keys are taken, never answered"
    _, item = await central.api("PUT", "/streamers/s1", {"cluster_key": "right"})
    assert "cluster_key" not in item

    async def healthy():
        _, item = await central.api("GET", "/streamers/s1")
        return item["stats"] and all(
            value for key, value in item["healthcheck_status"]["checks"].items()
            if key != "errors_details"
        )  # fmt: skip

    await eventually(healthy)


@pytest.mark.parametrize(
    ("fields", "stats", "rule"),
    [
        ({"refuse_put": True}, {}, "config_external_ok"),
        ({}, {"streamer_status": "broken_config", "config_error": {"error": "bad_url", "line": 3}},
         "config_ok"),
        ({}, {"now": 1_000_000_000_000}, "time_synchronized"),
        ({}, {"config_external_status": {"status": "error", "reason": "network_error"}},
         "config_external_ok"),
    ],
)  # fmt: skip
async def test_health_tells_what_the_streamer_lacks(
    central, start_streamer, connect, eventually, fields, stats, rule
):
    await connect(await start_streamer("s1", stats=stats, **fields))

    async def told():
        _, item = await central.api("GET", "/streamers/s1")
        problems = item["healthcheck_status"]["checks"]["errors_details"]
        return {problem["rule"] for problem in problems} if problems else None

    assert rule in await eventually(told)


async def test_two_records_of_one_server_do_not_fight_for_it(
    central, start_streamer, connect, eventually
):
    """The first one keeps it, the second says what is wrong, and gets it once the first is gone."""
    streamer = await start_streamer("s1", stats={"id": "x", "started_at": 1})
    await connect(streamer)
    await central.api("PUT", "/streams/a", {"inputs": [{"url": "fake://fake"}]})
    await eventually(lambda: streamer.running == {"a"})
    await central.api(
        "PUT", "/streamers/twin", {"api_url": streamer.url, "cluster_key": streamer.cluster_key}
    )

    async def told():
        _, item = await central.api("GET", "/streamers/twin")
        return ((item.get("healthcheck_status") or {}).get("checks") or {}).get("errors_details")

    problem = (await eventually(told))[0]
    assert problem["rule"] == "config_external_ok"
    assert "the streamer s1 already" in problem["error"]
    assert streamer.config["config_external"].endswith("/s1")
    assert streamer.running == {"a"}
    assert (await central.api("DELETE", "/streamers/s1"))[0] == 204
    await eventually(lambda: str(streamer.config["config_external"]).endswith("/twin"))


async def test_checks_enable_saves_only_a_streamer_that_answers(central, start_streamer, free_port):
    url = f"http://127.0.0.1:{free_port()}"
    status, error = await central.api("PUT", "/streamers/s1?checks_enable=true", {"api_url": url})
    assert (status, error["error"]) == (400, "streamer_unreachable")
    assert (await central.api("GET", "/streamers/s1"))[0] == 404
    streamer = await start_streamer("s1")
    body = {"api_url": streamer.url, "cluster_key": streamer.cluster_key}
    assert (await central.api("PUT", "/streamers/s1?checks_enable=true", body))[0] == 200


async def test_restart_and_sessions_reach_the_streamer(
    central, start_streamer, connect, eventually
):
    streamer = await start_streamer("s1", sessions=[{"id": "x1", "name": "a", "proto": "hls"}])
    await connect(streamer)
    await central.api("PUT", "/streams/a%2Fb", FAKE)
    await eventually(lambda: streamer.running == {"a/b"})
    assert (await central.api("POST", "/streams/a%2Fb/stop"))[0] == 204
    assert ("POST", "streams/a/b/stop") in streamer.calls
    _, answer = await central.api("GET", "/sessions")
    assert [item["id"] for item in answer["sessions"]] == ["x1"]
    assert (await central.api("DELETE", "/sessions/x1"))[0] == 204
    assert ("DELETE", "sessions/x1") in streamer.calls
    assert (await central.api("DELETE", "/sessions/x2"))[0] == 404


async def test_odd_figures_of_a_streamer_cost_nothing_else(
    central, start_streamer, connect, eventually
):
    stats = {"input_kbit": "much", "cpu_usage": None, "partitions": 7, "uptime": 5}
    await connect(await start_streamer("s1", stats=stats, stream_stats={"status": 3}))
    await central.api("PUT", "/streams/a", FAKE)

    async def seen():
        _, stream = await central.api("GET", "/streams/a")
        return stream["stats"].get("running_on") == ["s1"]

    await eventually(seen)
    _, item = await central.api("GET", "/streamers/s1")
    assert item["stats"]["uptime"] == 5
    assert "input_kbit" not in item["stats"]
    assert (await central.api("GET", "/cluster/stats"))[0] == 200
    assert (await central.api("GET", "/streams?format=openmetrics"))[0] == 200


async def test_a_deleted_streamer_is_let_go(central, start_streamer, connect, eventually):
    streamer = await start_streamer("s1")
    await connect(streamer)
    await eventually(lambda: "config_external" in streamer.config)
    assert (await central.api("DELETE", "/streamers/s1"))[0] == 204
    await eventually(lambda: streamer.config.get("config_external") is None)
    assert (await central.api("GET", "/streamers/s1"))[0] == 404


async def test_cluster_stats_count_states_in_json_and_metrics(
    central, start_streamer, connect, eventually
):
    streamer = await start_streamer("s1", stats={"input_kbit": 100, "output_kbit": 200})
    await connect(streamer)
    await central.api("PUT", "/streams/a", FAKE)
    await central.api("PUT", "/streams/b", {**FAKE, "disabled": True})

    async def counted():
        _, stats = await central.api("GET", "/cluster/stats")
        return stats if stats["stream_metrics_total"]["operational"] else None

    stats = await eventually(counted)
    assert stats["stream_metrics_total"]["disabled"] == 1
    assert stats["stream_metrics_total"]["total"] == 2
    assert stats["streamer_metrics_total"]["operational"] == 1
    assert stats["streamer_bitrate_metrics_total"] == {"input_kbit": 100, "output_kbit": 200}
    assert stats["streamer_metrics"][0]["hostname"] == "s1"
    headers = {
        "Authorization": "Bearer test-api-key",
        "Accept": "application/openmetrics-text; version=1.0.0",
    }
    _, text = await central.api("GET", "/cluster/stats", headers=headers)
    assert "stream_disabled_count{" in text
    assert text.endswith("# EOF\n")
    _, text = await central.api("GET", "/streams", headers=headers)
    assert "# EOF" in text


async def test_restart_of_central_moves_nothing(
    start_central, start_streamer, eventually, free_port
):
    port = free_port()
    first = await start_central(http_port=port)
    streamers = [await start_streamer("s1"), await start_streamer("s2")]
    for streamer in streamers:
        await first.api(
            "PUT",
            f"/streamers/{streamer.hostname}",
            {"api_url": streamer.url, "cluster_key": streamer.cluster_key},
        )

    async def are_online():
        _, listed = await first.api("GET", "/streamers")
        return [bool(item["stats"]) for item in listed["streamers"]] == [True, True]

    await eventually(are_online)
    batch = [{"name": f"a{number}", **FAKE} for number in range(20)]
    await first.api("PUT", "/streams/batch", batch)
    await eventually(lambda: sum(len(item.running) for item in streamers) == 20)
    before = [set(item.running) for item in streamers]
    assert all(before), "streams are spread"
    second = await start_central()
    _, listed = await second.api("GET", "/streams?select=layout&limit=100")
    placed = {item["name"]: item["layout"]["ingest"] for item in listed["streams"]}
    assert placed == {
        name: host for host, names in zip(("s1", "s2"), before, strict=True) for name in names
    }
