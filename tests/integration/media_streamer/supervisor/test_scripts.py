"""Lua scripts of a whole streamer: access, events, the start; what they ask is a real server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from .conftest import Streamer, until

AUTH = """
local question = http.qs_encode({token = req.token, id = req.session_id})
local answer = http.get(args.backend .. "?" .. question)
if answer.code == 200 then
    return true, {user_id = answer.headers["x-user"], auth_time = 60}
end
return false, {code = 403}
"""
EVENTS = """
for _, event in ipairs(events) do
    if event.event == "play_opened" or event.event == "stream_opened" then
        http.post(args.to, {event = event.event, id = event.id, media = event.media,
                             user_id = event.user_id})
    end
end
"""
INIT = 'http.post("URL", {event = "init", hostname = server.hostname}) log.warning("hello", 1)'


class Backend:
    """What the scripts ask and tell."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.told.append(json.loads(await request.text()))
        return web.Response()

    async def decide(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if request.query.get("token") != "good":
            return web.Response(status=403)
        return web.Response(headers={"X-User": "anna"})

    def of(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["event"] == event]


@pytest.fixture
async def backend() -> AsyncIterator[tuple[Backend, str]]:
    one = Backend()
    app = web.Application()
    app.router.add_post("/take", one.take)
    app.router.add_get("/decide", one.decide)
    async with TestServer(app) as server:
        yield one, str(server.make_url("/")).rstrip("/")


async def test_scripts_decide_tell_and_begin(
    streamer: Streamer, backend: tuple[Backend, str]
) -> None:
    server, url = backend
    folder = streamer.directory
    (folder / "auth.lua").write_text(AUTH)
    (folder / "events.lua").write_text(EVENTS)
    (folder / "init.lua").write_text(INIT.replace("URL", f"{url}/take"))
    (folder / "anna.lua").write_text('return req.token == "anna", {}')
    (folder / "broken.lua").write_text("retrun true")
    streamer.write(
        f"init_script {folder}/init.lua;\n"
        f"notify lua {{ sink {folder}/events.lua; to {url}/take; }}\n"  # `to` is of the extra ones
        f"stream demo {{ input fake://fake; segment_duration 1;"
        f" on_play {folder}/auth.lua backend={url}/decide; }}\n"
        f"auth_backend rules {{ backend {folder}/anna.lua; }}\n"
        f"stream ruled {{ input fake://fake; on_play auth://rules; }}\n"
        f"stream broken {{ input fake://fake; on_play {folder}/broken.lua; }}\n"
    )
    await streamer.serve()
    await streamer.running("demo")
    for path, status in (
        ("demo/index.m3u8?token=bad", 403),
        ("demo/index.m3u8?token=good", 200),
        ("ruled/index.m3u8?token=good", 403),
        ("broken/index.m3u8?token=good", 503),
    ):
        async with streamer.session.get(f"{streamer.base}/{path}") as answer:
            assert answer.status == status, (path, streamer.log)
    _, found = await streamer.api("GET", "/sessions")
    [session] = found["sessions"]
    assert session["user_id"] == "anna"

    async def told() -> bool:
        return all(server.of(one) for one in ("init", "stream_opened", "play_opened"))

    await until(told, "the scripts have told")
    assert server.of("init") == [{"event": "init", "hostname": "host1"}]
    [opened] = server.of("play_opened")
    assert (opened["id"], opened["user_id"]) == (session["id"], "anna")
    asked = [one["id"] for one in server.asked if one["token"] == "good"]
    assert asked == [session["id"]], "the question names the session that follows"
    async with streamer.session.get(f"{streamer.base}/ruled/index.m3u8?token=anna") as answer:
        assert answer.status == 200, streamer.log
    assert "init.lua: hello\t1" in streamer.log.replace("\\t", "\t")
    assert "broken.lua decides nothing: broken.lua:1: syntax error" in streamer.log
    assert await streamer.stop() == 0
    assert "Traceback" not in streamer.log


async def test_a_sink_whose_script_fails_is_an_alert_and_goes_on_once_it_is_mended(
    streamer: Streamer, backend: tuple[Backend, str]
) -> None:
    server, url = backend
    script = streamer.directory / "events.lua"
    script.write_text("error('not yet')")
    streamer.write(
        f"event_sink lua {{ url {script}; resend_timeout 1; to {url}/take; }}\n"
        "stream demo { input fake://fake; }\n"
    )
    await streamer.serve()

    async def alerts() -> dict[str, str]:
        _, stats = await streamer.api("GET", "/config/stats")
        found: dict[str, str] = stats.get("text_alerts", {})
        return found

    async def failed() -> bool:
        return "not yet" in (await alerts()).get("event_sink_lua", "")

    await until(failed, "the sink is an alert")
    script.write_text(EVENTS)

    async def told() -> bool:
        return bool(server.of("stream_opened"))

    await until(told, "what happened is told after all")

    async def mended() -> bool:
        return "event_sink_lua" not in await alerts()

    await until(mended, "the alert is gone")
    assert server.of("stream_opened") == [{"event": "stream_opened", "media": "demo"}]
