"""The REST API in one process: the real supervisor object, no workers behind it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_rest.credentials import basic_header
from media_rest.openapi import openapi
from media_streamer.api.server import ROUTES, make_app
from media_streamer.supervisor.facade import ServerFacade
from media_streamer.supervisor.sessions import Session
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.supervisor import Supervisor
from yarl import URL

BASE = "/streamer/api/v3"
ADMIN = {"Authorization": basic_header("admin", "secret")}
CONFIG = """
http 8080; edit_auth admin secret;
stream a { input fake://fake; title "Anna"; position 2; }
stream dir/b { input rtsp://u:SECRET@192.0.2.1/x; position 1; }
stream c { input publish://; disabled; password PUBLISH; }
vod files { storage /srv; }
"""


class Api:
    """Calls and their answers."""

    def __init__(self, server: ServerFacade, client: TestClient[Any, Any], path: Path) -> None:
        self.server, self.client, self.path = server, client, path

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """As the administrator, unless `headers` say otherwise."""
        options.setdefault("headers", ADMIN)
        async with self.client.request(method, path, **options) as answer:
            text = await answer.text()
            if answer.content_type != "application/json":
                return answer.status, text
            assert text.endswith("\n") or method == "HEAD"
            return answer.status, json.loads(text or "null")

    async def get(self, path: str, **options: Any) -> Any:
        status, body = await self.call("GET", path, **options)
        assert status == 200, body
        return body

    def configured(self) -> str:
        return self.path.read_text()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    path = tmp_path / "flussonic.conf"
    path.write_text(CONFIG)
    settings = Settings(path, tmp_path, tmp_path, tmp_path, 1, 1, "host1")
    async with aiohttp.ClientSession() as http:
        server = Supervisor(settings, {}, http).facade
        await server.configuration.start()
        async with TestClient(TestServer(make_app(server))) as client:
            yield Api(server, client, path)


async def test_lists(api: Api) -> None:
    page = await api.get(f"{BASE}/streams")
    assert [item["name"] for item in page["streams"]] == ["c", "dir/b", "a"]
    assert page["estimated_count"] == 3
    assert page["next"] is None
    assert page["server_id"] == api.server.id
    first = await api.get("/flussonic/api/v3/streams?sort=-name&limit=2&select=title")
    assert first["streams"] == [{"name": "dir/b", "title": ""}, {"name": "c", "title": ""}]
    second = await api.get(
        f"{BASE}/streams", params={"sort": "-name", "limit": "2", "cursor": first["next"]}
    )
    assert [item["name"] for item in second["streams"]] == ["a"]
    found = await api.get(f"{BASE}/streams?q=anna&stats.alive=false&disabled=false")
    assert [item["name"] for item in found["streams"]] == ["a"]
    status, body = await api.call("GET", f"{BASE}/streams?limit=many")
    assert (status, body["errors"][0]["source"]["parameter"]) == (400, "limit")


@pytest.mark.parametrize("path", ["dir%2Fb", "dir/b"])
async def test_names_with_slashes(api: Api, path: str) -> None:
    root = str(api.client.make_url("/")).rstrip("/")
    url = URL(f"{root}{BASE}/streams/{path}", encoded=True)
    async with api.client.session.get(url, headers=ADMIN) as answer:
        assert (await answer.json())["name"] == "dir/b"


async def test_form_of_answers(api: Api) -> None:
    zipped = {**ADMIN, "Accept-Encoding": "gzip"}
    async with api.client.get(f"{BASE}/streams", headers=zipped) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Cache-Control"] == "no-store"
    assert (await api.call("HEAD", f"{BASE}/streams/a"))[0] == 200
    assert (await api.call("OPTIONS", f"{BASE}/streams/a"))[0] == 204
    assert (await api.call("POST", f"{BASE}/streams"))[0] == 405
    status, body = await api.call("GET", f"{BASE}/nothing")
    assert (status, body["error"]) == (404, "not_found")
    status, body = await api.call("GET", f"{BASE}/streams/none")
    assert (status, body["errors"][0]["code"]) == (404, "stream_not_found")


async def test_a_stream_is_written_changed_and_deleted(api: Api) -> None:
    status, state = await api.call("PUT", f"{BASE}/streams/new", json={"static": "false"})
    assert (status, state["static"], state["named_by"]) == (200, False, "config")
    await api.call("PUT", f"{BASE}/streams/new", json={"title": "T", "stats": {"alive": True}})
    assert api.server.streams.catalog.streams["new"].saved == {
        "name": "new",
        "static": False,
        "title": "T",
    }
    status, state = await api.call("PUT", f"{BASE}/streams/new", json={"$reset": True})
    assert state["title"] == ""
    status, body = await api.call("PUT", f"{BASE}/streams/new", json={"name": "a"})
    assert (status, body["error"]) == (400, "config_not_changed")
    assert (await api.call("DELETE", f"{BASE}/streams/new"))[0] == 204
    assert "new" not in api.configured()


async def test_a_stream_that_does_not_run_is_not_restarted(api: Api) -> None:
    status, body = await api.call("POST", f"{BASE}/streams/c/stop")
    assert (status, body["error"]) == (409, "stream_not_running")
    assert (await api.call("POST", f"{BASE}/streams/x/stop"))[0] == 404
    status, body = await api.call("POST", f"{BASE}/streams/a/inputs/7/select")
    assert (status, body["error"]) == (400, "input_not_found")


async def test_streams_of_a_backend_cannot_be_changed_here(api: Api) -> None:
    api.server.configuration.current.config_external = "http://KEY@backend/"
    for method in ("PUT", "DELETE"):
        status, body = await api.call(method, f"{BASE}/streams/a", json={})
        assert (status, body["error"]) == (400, "config_external")
    assert (await api.call("PUT", f"{BASE}/config", json={"streams": []}))[0] == 400


async def test_sessions(api: Api) -> None:
    session = api.server.sessions.open(
        Session(id="", name="a", kind="play", proto="hls", ip="10.0.0.1", token="SECRET")
    )
    page = await api.get(f"{BASE}/sessions?name=a")
    assert [item["id"] for item in page["sessions"]] == [session.id]
    legacy = await api.get("/flussonic/api/sessions?name=a")
    assert (legacy["event"], legacy["sessions"][0]["type"]) == ("user.list", "hls")
    assert (await api.get(f"{BASE}/sessions/{session.id}"))["token"] == "SECRET"
    assert (await api.get(f"{BASE}/streams/a"))["stats"]["online_clients"] == 1
    assert (await api.call("DELETE", f"{BASE}/sessions/{session.id}"))[0] == 204
    assert (await api.call("DELETE", f"{BASE}/sessions/{session.id}"))[0] == 404
    assert (await api.call("POST", f"{BASE}/sessions/reauth?name=none"))[0] == 404


async def test_collections(api: Api) -> None:
    page = await api.get(f"{BASE}/vods")
    assert [item["prefix"] for item in page["vods"]] == ["files"]
    status, vod = await api.call("PUT", f"{BASE}/vods/more", json={"storages": ["/m"]})
    assert (status, vod["prefix"], vod["storages"]) == (200, "more", [{"url": "/m"}])
    assert "vod more" in api.configured()
    status, peer = await api.call(
        "PUT", f"{BASE}/cluster/peers/h1", json={"api_url": "http://h1", "cluster_key": "K"}
    )
    assert (status, peer["hostname"]) == (200, "h1")
    assert (await api.call("DELETE", f"{BASE}/cluster/peers/h1"))[0] == 204
    assert (await api.call("DELETE", f"{BASE}/cluster/peers/h1"))[0] == 404
    status, body = await api.call("PUT", f"{BASE}/caches/x", json={})
    assert (status, body["errors"][0]["source"]["pointer"]) == (400, "/path")


async def test_the_older_api(api: Api) -> None:
    server = await api.get("/flussonic/api/server")
    assert (server["hostname"], server["total_streams"]) == ("host1", 3)
    media = await api.get("/flussonic/api/media?name=a,none")
    assert [item["value"]["name"] for item in media] == ["a"]
    assert media[0]["value"]["urls"] == [{"value": "fake://fake", "options": {}}]
    assert (await api.call("GET", "/flussonic/api/stream_health/a"))[0] == 424
    assert await api.get("/flussonic/api/media_info/dir/b") == {}
    assert 'stream_bytes_in{name="a"' in await api.get("/flussonic/api/metrics?request=streams")
    assert (await api.call("GET", "/flussonic/api/metrics?request=tea"))[0] == 400
    api.path.write_text(CONFIG + "stream d { }")
    assert await api.get("/flussonic/api/reload") == {"success": True}
    assert "d" in api.server.streams.catalog.streams


async def test_logins(api: Api) -> None:
    body = {"view_auth": "viewer look"}
    assert (await api.call("PUT", f"{BASE}/config", json=body))[0] == 200
    viewer = {"Authorization": basic_header("viewer", "look")}
    assert (await api.call("GET", f"{BASE}/streams", headers={}))[0] == 401
    script = {"X-Requested-With": "fetch"}
    assert (await api.call("GET", f"{BASE}/streams", headers=script))[0] == 403
    for path in ("/monitoring/liveness", "/ui_settings", "/openapi.json"):
        assert (await api.call("GET", BASE + path, headers={}))[0] == 200
    assert (await api.call("GET", f"{BASE}/monitoring/readiness", headers={}))[0] == 503
    assert "SECRET" not in json.dumps(await api.get(f"{BASE}/streams", headers=viewer))
    guess = await api.get(f"{BASE}/streams?password_like=PUB", headers=viewer)
    assert guess["streams"] == [], "a filter must not tell whether a guess is right"
    status, body = await api.call("GET", f"{BASE}/config?full=true", headers=viewer)
    assert status == 200
    assert not {"SECRET", "secret", "look"} & set(json.dumps(body).replace('"', " ").split())
    assert (await api.call("PUT", f"{BASE}/streams/x", headers=viewer, json={}))[0] == 403
    assert (await api.call("GET", "/flussonic/api/reload", headers=viewer))[0] == 403
    assert (await api.call("PUT", f"{BASE}/streams/x", headers=ADMIN, json={}))[0] == 200
    forwarded = {**ADMIN, "X-Real-IP": "11.0.0.1"}
    body = {"api_allowed_from": ["10/8", "127/8"]}
    assert (await api.call("PUT", f"{BASE}/config", headers=ADMIN, json=body))[0] == 200
    assert (await api.call("GET", f"{BASE}/streams", headers=forwarded))[0] == 403


FOREIGN = "https://evil.example"


async def test_no_page_of_another_site_is_served(api: Api) -> None:
    before = api.configured()
    page = {**ADMIN, "Origin": FOREIGN}  # a browser adds the login that it knows by itself
    sink = {"url": "log:///var/log/flussonic/x"}
    for method, path in (("PUT", "/event_sinks/x"), ("GET", "/config"), ("DELETE", "/streams/a")):
        status, body = await api.call(method, BASE + path, headers=page, json=sink)
        assert (status, body["error"]) == (403, "foreign_page")
    assert api.configured() == before
    async with api.client.options(f"{BASE}/config", headers={"Origin": FOREIGN}) as answer:
        assert answer.status == 403
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    image = {**ADMIN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert (await api.call("GET", "/flussonic/api/reload", headers=image))[0] == 403
    older = {**ADMIN, "User-Agent": "Mozilla/5.0", "Referer": f"{FOREIGN}/page"}
    assert (await api.call("GET", "/flussonic/api/reload", headers=older))[0] == 403


async def test_sites_that_are_let_in(api: Api) -> None:
    dashboard = "https://dash.example.com"
    body = {"api_allowed_origins": [f"{dashboard}/"]}
    assert (await api.call("PUT", f"{BASE}/config", json=body))[0] == 200
    assert "api_allowed_origins https://dash.example.com;" in api.configured()
    for origin, status in ((dashboard, 200), (FOREIGN, 403)):
        headers = {**ADMIN, "Origin": origin}
        async with api.client.get(f"{BASE}/config", headers=headers) as answer:
            assert answer.status == status
            allowed = answer.headers.get("Access-Control-Allow-Origin")
            assert allowed == (origin if status == 200 else None)
            assert "Origin" in answer.headers["Vary"]
    preflight = {"Origin": dashboard, "Access-Control-Request-Private-Network": "true"}
    async with api.client.options(f"{BASE}/config", headers=preflight) as answer:
        assert answer.status == 204
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    status, body = await api.call("PUT", f"{BASE}/config", json={"api_allowed_origins": ["*"]})
    assert status == 400


async def test_without_a_login_this_machine_reads_and_nobody_changes(api: Api) -> None:
    api.path.write_text(CONFIG.replace("http 8080; edit_auth admin secret;", "cluster_key KEY;"))
    await api.server.configuration.reload()
    page = await api.get(f"{BASE}/config?full=true", headers={})
    assert not {"SECRET", "KEY", "PUBLISH"} & set(json.dumps(page).replace('"', " ").split())
    rebound = {"Host": "evil.example"}
    relayed = {"X-Relayed": "1"}
    far = {"X-Real-IP": "192.0.2.1"}
    for headers in (rebound, relayed, far):
        status, body = await api.call("GET", f"{BASE}/config", headers=headers)
        assert (status, body["error"]) == (403, "no_login_configured")
    for method, path in (("PUT", "/streams/x"), ("DELETE", "/streams/a"), ("PUT", "/config")):
        status, body = await api.call(method, BASE + path, headers={}, json={})
        assert (status, body["error"]) == (403, "no_login_configured")
        assert "STREAMER_EDIT_AUTH" in body["errors"][0]["title"]
    assert (await api.call("GET", f"{BASE}/monitoring/liveness", headers=far))[0] == 200


async def test_event_files_lie_in_one_directory(api: Api) -> None:
    before = api.configured()
    for path, body in (
        ("/event_sinks/s", {"url": "log:///etc/cron.d/x"}),
        ("/config", {"event_sinks": [{"name": "s", "url": "jsonlog:///tmp/x"}]}),
    ):
        status, answer = await api.call("PUT", BASE + path, json=body)
        assert status == 400
        assert "STREAMER_LOG_DIR" in answer["errors"][0]["title"]
    text = before + "event_sink s { url log:///etc/cron.d/x; }\n"
    headers = {**ADMIN, "Content-Type": "text/plain"}
    assert (await api.call("PUT", f"{BASE}/config", data=text, headers=headers))[0] == 400
    assert api.configured() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "inputs", "url", "dvr", "title", "$reset", "x", "stats"]),
        inner,
        max_size=4,
    ),
    max_leaves=8,
))  # fmt: skip
async def test_any_body_is_answered(api: Api, body: Any) -> None:
    status, answer = await api.call("PUT", f"{BASE}/streams/fuzz", json=body)
    assert status in {200, 400}, answer
    assert status == 200 or answer["errors"]


def test_the_document_has_every_route() -> None:
    document = openapi(ROUTES, title="Streamer API", version="1", bases=["/streamer/api/v3"])
    for route in ROUTES:
        assert route.method.lower() in document["paths"][route.path]
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(operations) == len(set(operations))


async def test_a_page_is_told_what_its_reader_may_do(api: Api) -> None:
    assert (await api.get(f"{BASE}/caller"))["role"] == "admin"
    status, _ = await api.call("GET", f"{BASE}/caller", headers={})
    assert status in (401, 403)


async def test_states_of_streams_are_counted(api: Api) -> None:
    page = await api.get(f"{BASE}/streams?order=state&include_totals=true")
    assert page["totals"] == {"all": 3, "problem": 0, "waiting": 2, "running": 0, "disabled": 1}
    assert [item["name"] for item in page["streams"]] == ["a", "dir/b", "c"]
    found = await api.get(f"{BASE}/streams?state=disabled")
    assert [item["name"] for item in found["streams"]] == ["c"]


async def test_a_play_token_is_for_who_logged_in(api: Api) -> None:
    reader = {"Authorization": basic_header("reader", "seen")}
    assert (await api.call("GET", f"{BASE}/streams/a/play_token", headers={}))[0] == 401
    assert (await api.call("GET", f"{BASE}/streams/a/play_token", headers=reader))[0] == 403
    await api.call(
        "PUT", f"{BASE}/config", json={"view_auth": {"login": "reader", "password": "seen"}}
    )
    for name, headers in (("a", ADMIN), ("dir/b", reader)):
        found = await api.get(f"{BASE}/streams/{name}/play_token", headers=headers)
        assert (found["name"], found["parameter"], found["seconds"]) == (name, "token", 60)
        assert found["token"].startswith("operator.")
    assert (await api.call("GET", f"{BASE}/streams/{'x' * 300}/play_token"))[0] == 404


async def test_without_a_login_nobody_gets_a_play_token(api: Api) -> None:
    api.server.configuration.current.edit_auth = None
    local = {"X-Real-IP": "127.0.0.1", "Host": "127.0.0.1"}
    assert (await api.call("GET", f"{BASE}/streams/a", headers=local))[0] == 200
    status, body = await api.call("GET", f"{BASE}/streams/a/play_token", headers=local)
    assert (status, body["error"]) == (403, "no_login_configured")


async def test_fields_of_one_object_are_chosen(api: Api) -> None:
    one = await api.get(f"{BASE}/streams/a?select=title,stats.alive,inputs.url")
    assert one == {
        "name": "a",
        "title": "Anna",
        "stats": {"alive": False},
        "inputs": [{"url": "fake://fake"}],
    }
    stats = await api.get(f"{BASE}/config/stats?select=total_streams")
    assert stats["total_streams"] == 3
    assert "cpu_usage" not in stats
    for path in ("streams/a", "config/stats"):
        status, body = await api.call("GET", f"{BASE}/{path}?select=nonsense")
        assert (status, body["errors"][0]["source"]["parameter"]) == (400, "select")
