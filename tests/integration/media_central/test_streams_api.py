import base64
import json

import aiohttp
import pytest

FAKE = {"inputs": [{"url": "fake://fake"}]}


async def test_the_documented_curl_works_to_the_letter(central):
    url = f"{central.url}/streamer/api/v3/streams/STREAM_NAME"
    headers = {"Authorization": "Basic YWRtaW46YWRtaW4=", "Content-Type": "application/json"}
    data = '{"name": "STREAM_NAME", "inputs": [{"url": "fake://fake"}]}'
    async with aiohttp.ClientSession() as http, http.put(url, headers=headers, data=data) as answer:
        text = await answer.text()
        assert answer.status == 200
    assert text.endswith("\n")
    stream = json.loads(text)
    assert stream["name"] == "STREAM_NAME"
    assert stream["config_on_disk"] == {"name": "STREAM_NAME", "inputs": [{"url": "fake://fake"}]}
    assert stream["named_by"] == "config"
    assert stream["static"] is True
    status, listed = await central.api("GET", "/streams")
    assert status == 200
    assert [item["name"] for item in listed["streams"]] == ["STREAM_NAME"]
    assert listed["estimated_count"] == 1
    assert listed["server_id"]


async def test_put_merges_and_null_resets(central):
    await central.api("PUT", "/streams/a", {**FAKE, "title": "A", "dvr": {"root": "/x"}})
    status, stream = await central.api(
        "PUT", "/streams/a", {"title": None, "dvr": {"expiration": "2d"}}
    )
    assert status == 200
    assert stream["config_on_disk"] == {
        "name": "a", **FAKE, "dvr": {"root": "/x", "expiration": 172800},
    }  # fmt: skip
    status, stream = await central.api("PUT", "/streams/a", {"$reset": True, **FAKE})
    assert stream["config_on_disk"] == {"name": "a", **FAKE}
    _, picked = await central.api("GET", "/streams/a?select=inputs.url")
    assert picked == {"name": "a", "inputs": [{"url": "fake://fake"}]}


async def test_the_name_in_the_body_wins_and_renames(central):
    await central.api("PUT", "/streams/old", {**FAKE, "title": "T"})
    status, stream = await central.api("PUT", "/streams/old", {"name": "new"})
    assert (status, stream["name"], stream["title"]) == (200, "new", "T")
    assert (await central.api("GET", "/streams/old"))[0] == 404
    await central.api("PUT", "/streams/third", FAKE)
    status, error = await central.api("PUT", "/streams/third", {"name": "new"})
    assert (status, error["error"]) == (409, "name_taken")
    assert (await central.api("GET", "/streams/third"))[0] == 200


@pytest.mark.parametrize("path", ["/streams/a%2Fb%2Fc", "/streams/a/b/c"])
async def test_names_with_slashes_are_read_escaped_and_raw(central, path):
    assert (await central.api("PUT", path, FAKE))[1]["name"] == "a/b/c"
    assert (await central.api("GET", "/streams/a%2Fb%2Fc"))[0] == 200
    assert (await central.api("DELETE", path))[0] == 204
    assert (await central.api("GET", path))[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/streams/a", {"inputs": "x"}, "inputs"),
        ("/streams/a", {"inputs": [{"url": "fake://fake", "priority": "high"}]}, "priority"),
        ("/streams/a", {"segment_duration": -1}, "segment_duration"),
        ("/streams/a", {"title": "\0"}, "U+0000"),
        ("/streams/a..b", {}, "name"),
        ("/streams/a", [], "object"),
        ("/streams/batch", [{"title": "no name"}], "element 0"),
        ("/streamers/a", {"api_url": "ftp://x"}, "http"),
    ],
)
async def test_bad_bodies_say_what_is_wrong_and_change_nothing(central, path, body, word):
    status, error = await central.api("PUT", path, body)
    assert status == 400
    assert word in json.dumps(error)
    assert (await central.api("GET", "/streams"))[1]["streams"] == []


@pytest.mark.parametrize("raw", [b"{", b"", b"\xff", b"NaN", b"[" * 100_000])
async def test_what_is_not_json_is_400(central, raw):
    status, error = await central.api("PUT", "/streams/a", data=raw)
    assert (status, error["error"]) == (400, "malformed_json")


async def test_deep_nesting_is_refused(central):
    body: dict = {}
    for _ in range(200):
        body = {"meta": body}
    assert (await central.api("PUT", "/streams/a", body))[0] == 400


async def test_unknown_keys_are_told_and_statistics_ignored(central):
    body = {**FAKE, "stats": {"bitrate": 1}, "titel": "A", "segment_count": "7"}
    status, stream = await central.api("PUT", "/streams/a", body)
    assert status == 200
    assert stream["config_on_disk"] == {"name": "a", **FAKE, "segment_count": 7}
    misspelt = "titel: there is no such field, it was left out; did you mean title?"
    assert stream["warnings"] == [misspelt]
    _, answer = await central.api("PUT", "/streams/batch", [{"name": "a", "titel": "A"}])
    assert answer["streams"][0]["warnings"] == [misspelt]
    _, stream = await central.api("PUT", "/streams/a", answer["streams"][0])
    assert "warnings" not in stream
    _, streamer = await central.api("PUT", "/streamers/h", {"api_ur": "http://127.0.0.1:1"})
    assert streamer["warnings"][0].endswith("did you mean api_url?")
    _, rules = await central.api("PUT", "/auth_backends/x", {"alow": {}})
    assert rules["warnings"][0].startswith("alow: there is no such field")


async def test_batch_is_all_or_nothing(central):
    good = [{"name": f"s{number}", **FAKE} for number in range(3)]
    status, answer = await central.api("PUT", "/streams/batch", good)
    assert (status, len(answer["streams"])) == (200, 3)
    status, _ = await central.api("PUT", "/streams/batch", [{"name": "s9"}, {"name": "bad name"}])
    assert status == 400
    assert (await central.api("GET", "/streams/s9"))[0] == 404


async def test_collections_filter_sort_and_page(central):
    batch = [{"name": f"s{number:03}", **FAKE, "position": number} for number in range(150)]
    await central.api("PUT", "/streams/batch", batch)
    seen = []
    cursor = ""
    while cursor is not None:
        _, page = await central.api("GET", f"/streams?limit=40&select=name&cursor={cursor}")
        seen += [item["name"] for item in page["streams"]]
        cursor = page["next"]
    assert seen == [item["name"] for item in batch]
    _, page = await central.api("GET", "/streams?position_gt=100&sort=-position&limit=2")
    assert [item["position"] for item in page["streams"]] == [149, 148]
    assert page["estimated_count"] == 49
    assert (await central.api("GET", "/streams?limit=x"))[0] == 400


async def test_poll_timeout_waits_for_a_match(central, eventually):
    import asyncio

    waiting = asyncio.create_task(central.api("GET", "/streams?name=late&poll_timeout=10"))
    await central.api("PUT", "/streams/late", FAKE)
    status, answer = await asyncio.wait_for(waiting, 5)
    assert (status, len(answer["streams"])) == (200, 1)
    assert (await central.api("GET", "/streams?name=never&poll_timeout=0.05"))[1]["streams"] == []


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer test-api-key", 200),
        ("Bearer " + base64.b64encode(b"admin:admin").decode(), 200),
        ("Basic " + base64.b64encode(b"admin:wrong").decode(), 403),
        ("Bearer wrong", 403),
        ("Digest x", 403),
        ("Basic %%%", 403),
        (None, 401),
    ],
)
async def test_credentials(central, header, status):
    headers = {"Authorization": header} if header else {}
    for path in ("/streams", "/streamers", "/config", "/cluster/stats", "/streamers/x/streams"):
        found, body = await central.api("GET", path, headers=headers)
        expected = 404 if status == 200 and path.endswith("/x/streams") else status
        assert found == expected, (path, body)


async def test_pages_with_a_login_form_get_403_so_that_no_browser_box_opens(central):
    headers = {"X-Requested-With": "fetch"}
    assert (await central.api("GET", "/streams", headers=headers))[0] == 403


async def test_open_operations_need_no_login(central):
    for path in ("/ui_settings", "/monitoring/liveness", "/monitoring/readiness", "/openapi.json"):
        assert (await central.api("GET", path, headers={}))[0] == 200
    _, probe = await central.api("GET", "/monitoring/readiness", headers={})
    assert probe["server_version"]
    assert probe["database"] == "available"


async def test_settings_are_shown_without_secrets(central):
    _, config = await central.api("GET", "/config")
    assert config["api_key"] == "***"
    assert config["edit_auth"] == {"login": "admin", "password": "***"}
    assert "test-api-key" not in json.dumps(config)


async def test_settings_are_changed_in_their_file(start_central, tmp_path, monkeypatch):
    for name in ("HTTP_PORT", "DATABASE_URL", "API_KEY", "EDIT_AUTH"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "central.conf"
    file.write_text("# ours\nAPI_KEY=test-api-key\nDATABASE_URL=postgres://u:hidden@h/d\n")
    central = await start_central(file=file)
    _, before = await central.api("GET", "/config")
    assert before["layouter_sleeping_interval"] == 500
    changes = {"layouter_sleeping_interval": 7000, "log_requests": "true", "strange": 1}
    changes |= {"loglevel": "error", "database": {"max_connections": 9}}
    changes |= {"edit_auth": {"login": "root", "password": "pass word"}, "api_key": "***"}
    status, saved = await central.api("PUT", "/config", changes)
    assert (status, saved["restart_required"]) == (200, True)
    assert saved["layouter_sleeping_interval"] == 7000
    assert saved["edit_auth"] == {"login": "root", "password": "***"}
    assert (saved["loglevel"], saved["log_requests"]) == ("error", "true")
    assert saved["database"]["max_connections"] == 9
    assert file.read_text() == (
        "# ours\nAPI_KEY=test-api-key\nDATABASE_URL=postgres://u:hidden@h/d\n"
        "EDIT_AUTH=root pass word\nLOG_LEVEL=error\nLOG_REQUESTS=true\n"
        "LAYOUTER_SLEEPING_INTERVAL=7000ms\nDATABASE_MAX_CONNECTIONS=9\n"
    )
    read_back = {**saved, "restart_required": None}
    status, same = await central.api("PUT", "/config", read_back)
    assert (status, same["restart_required"]) == (200, False)
    assert "hidden" not in json.dumps(same)
    listeners = {"http": [{"port": "many"}]}
    status, refused = await central.api("PUT", "/config", {"listeners": listeners})
    assert (status, refused["error"]) == (400, "validation_error")
    assert "HTTP_PORT 'many' is not a number" in refused["errors"][0]["title"]
    monkeypatch.setenv("HTTP_PORT", "9019")
    listeners = {"http": [{"port": 9020}]}
    status, refused = await central.api("PUT", "/config", {"listeners": listeners})
    assert (status, refused["error"]) == (409, "set_by_environment")


async def test_without_a_file_the_default_one_is_made(start_central, tmp_path, monkeypatch):
    for name in ("HTTP_PORT", "DATABASE_URL", "API_KEY", "EDIT_AUTH"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "etc" / "central.conf"
    file.parent.mkdir()
    monkeypatch.setattr("media_central.settings.DEFAULT_FILE", file)
    central = await start_central()
    status, saved = await central.api("PUT", "/config", {"log_requests": "true"})
    assert (status, saved["restart_required"]) == (200, True)
    assert file.read_text() == "LOG_REQUESTS=true\n"
    assert file.stat().st_mode & 0o777 == 0o600


async def test_unknown_paths_and_methods_have_the_error_shape(central):
    status, error = await central.api("GET", "/nothing")
    assert (status, error["errors"][0]["status"]) == (404, "404")
    assert (await central.api("POST", "/streams", {}))[0] == 405


async def test_both_bases_serve_the_same(central):
    await central.api("PUT", "/streams/a", FAKE)
    async with central.api.http.get(
        f"{central.url}/central/api/v3/streams/a",
        headers={"Authorization": "Bearer test-api-key", "Accept-Encoding": "gzip"},
    ) as answer:
        assert answer.status == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_ui_is_served_with_a_strict_policy(central):
    async with central.api.http.get(f"{central.url}/") as answer:
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "/ui/static/" in await answer.text()
    async with central.api.http.get(f"{central.url}/ui/static/app.js") as answer:
        assert answer.headers["Content-Type"].startswith("text/javascript")
    for path in ("/ui/static/../__init__.py", "/ui/static/%2e%2e/__init__.py", "/ui/static/nope"):
        url = aiohttp.client.URL(central.url + path, encoded=True)
        async with central.api.http.get(url) as answer:
            assert "STATIC" not in await answer.text()


async def test_states_are_filtered_counted_and_problems_come_first(central):
    for name, config in {"b": FAKE, "a": {**FAKE, "disabled": True}, "c": FAKE}.items():
        await central.api("PUT", f"/streams/{name}", {**config, "labels": {"room": name}})
    _, listed = await central.api("GET", "/streams?order=state&include_totals=true&limit=2")
    assert listed["totals"]["all"] == 3
    assert listed["totals"]["disabled"] == 1
    assert [item["name"] for item in listed["streams"]] == ["b", "c"]  # nobody runs them
    again = f"/streams?order=state&cursor={listed['next']}"
    assert [item["name"] for item in (await central.api("GET", again))[1]["streams"]] == ["a"]
    for asked, found in (("state=disabled", ["a"]), ("labels.room=c", ["c"]), ("streamer=x", [])):
        _, listed = await central.api("GET", f"/streams?{asked}")
        assert [item["name"] for item in listed["streams"]] == found
        assert listed["estimated_count"] == len(found)
    for wrong, parameter in (("state=asleep", "state"), ("order=name", "order")):
        status, error = await central.api("GET", f"/streams?{wrong}")
        assert (status, error["errors"][0]["source"]["parameter"]) == (400, parameter)


async def test_every_refused_value_has_its_pointer(central):
    body = {**FAKE, "segment_duration": 7, "dvr": {"expiration": -1}}
    status, error = await central.api("PUT", "/streams/a", body)
    assert status == 400
    pointers = {one["source"]["pointer"] for one in error["errors"]}
    assert pointers == {"/segment_duration", "/dvr/expiration"}


async def test_text_needs_a_streamer_that_translates(central):
    status, error = await central.api("POST", "/config/read", {"text": "stream a { }"})
    assert (status, error["error"]) == (503, "no_streamer")
