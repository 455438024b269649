"""The global rows by the other two ways: as the operator hands over a Streamer resource, and by the
API; `test_seed` has the file. Each is seen by a client.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from media_api.resources.streamer import StreamerSpec
from media_api.server import ServerConfig
from media_operator.render.streamer import config_files
from media_rest.credentials import basic_header
from media_streamer.config.writer import write

from tests.support.country_database import write_country_database
from tests.support.ports import free_port

from .conftest import Streamer, ffprobe, until

BOSS = {"Authorization": basic_header("EDITOR", "PASSWORD")}
READER = {"Authorization": basic_header("USER", "PASSWORD")}


def resource(home: Path, port: int, events: str) -> dict[str, Any]:
    """`spec.config` of a Streamer: all rows that a resource has there."""
    return {
        "listeners": {"http": [f"127.0.0.1:{port}"], "rtmp": [f"127.0.0.1:{port}"]},
        "loglevel": "warning",
        "log_requests": True,
        "total_bandwidth": "10G",
        "auth_token": "TOKEN",
        "max_sessions": 1000,
        "auto_token": "uuid",
        "cluster_key": "SECRETKEY",
        "view_auth": "USER PASSWORD",
        "edit_auth": "EDITOR PASSWORD",
        "api_allowed_from": ["10/8", "127.0.0.1"],
        "event_sinks": [{"name": "HANDLER_NAME", "url": events}],
        "pulsedb": str(home / "pulse"),
        "session_log": str(home / "sessions"),
        "url_prefix": "http://cdn.example.com/",
        "sources": [{"url": f"127.0.0.1:{free_port()}/PREFIX"}],
        "templates": [{"name": "made", "prefixes": ["made"], "inputs": [{"url": "fake://fake"}]}],
        "vods": [{"prefix": "vod", "storages": [{"url": str(home)}], "cache": {"reference": "c"}}],
        "caches": [{"name": "c", "path": str(home / "www"), "misses": 4, "storage_limit": "40G"}],
        "nvidia_monitor": True,
        "geoip": str(home / "countries.mmdb"),
    }


class Events:
    """Takes them."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    async def take(self, request: web.Request) -> web.Response:
        self.names |= {one["event"] for one in await request.json()}
        return web.Response()


def read(log: Path) -> str:
    return log.read_text() if log.exists() else ""


async def segments(streamer: Streamer, name: str, query: str = "") -> list[str]:
    url = f"{streamer.base}/{name}/tracks-v1a1/mono.m3u8{query}"
    async with streamer.session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return [line for line in (await answer.text()).split() if not line.startswith("#")]


async def status(streamer: Streamer, path: str) -> int:
    async with streamer.session.get(f"{streamer.base}/{path}") as answer:
        return answer.status


async def test_by_a_resource_and_then_by_the_api(own_streamer: Streamer) -> None:
    one = own_streamer
    write_country_database(one.directory / "countries.mmdb", {"127.0.0.0/8": "NL"})
    events, app = Events(), web.Application()
    app.router.add_post("/events", events.take)
    async with TestServer(app) as receiver:
        wanted = resource(one.directory, one.http_port, str(receiver.make_url("/events")))
        spec = StreamerSpec.model_validate({"config": wanted}).model_dump(
            mode="json", by_alias=True, exclude_unset=True
        )
        folder = one.config.with_name(one.config.name + ".d")
        folder.mkdir()
        for name, text in config_files(spec).items():
            (folder / name).write_text(text)
        one.config.write_text("")
        log = one.directory / "access.log"
        await one.serve(STREAMER_ACCESS_LOG=str(log))
        await by_the_resource(one, events, log)
        code, answer = await one.api("PUT", "/config", auth=BOSS, json={"max_sessions": 1})
        assert code == 400, answer
        assert "00-resource.json" in json.dumps(answer)
        stream = {"inputs": [{"url": "fake://fake"}], "static": False}
        code, answer = await one.api("PUT", "/streams/beside", auth=BOSS, json=stream)
        assert code == 200, answer
        # The same as a file of its own, which the API may change.
        given = folder / "00-resource.json"
        one.config.write_text(write(ServerConfig.model_validate_json(given.read_text())))
        given.unlink()
        await by_the_api(one)
        assert "Traceback" not in one.log, one.log


async def by_the_resource(one: Streamer, events: Events, log: Path) -> None:
    async with one.session.get(f"{one.base}/made/a/index.m3u8") as answer:
        [given] = set(re.findall(r"\?TOKEN=(\S+)", await answer.text()))  # auto_token, auth_token

    async def cut() -> bool:
        return bool(await segments(one, "made/a", f"?TOKEN={given}"))

    await until(cut, "there are segments")
    found = await segments(one, "made/a", f"?TOKEN={given}")
    assert all(line.startswith("http://cdn.example.com/made/a/") for line in found)
    assert await ffprobe(f"rtmp://127.0.0.1:{one.http_port}/static/made/a?TOKEN=b") == [
        "aac",
        "h264",
    ]
    for auth, code in ((None, 401), (READER, 200), (BOSS, 200)):
        assert (await one.api("GET", "/config", auth=auth))[0] == code
    assert (await one.api("GET", "/streams", auth={"Authorization": "Bearer SECRETKEY"}))[0] == 200
    _, sessions = await one.api("GET", "/sessions?name=made/a", auth=READER)
    assert {session["country"] for session in sessions["sessions"]} == {"NL"}
    _, stats = await one.api("GET", "/config/stats", auth=READER)
    assert (stats["total_bandwidth"], stats["transcoder_devices"]) == (10_000_000_000, [])
    assert " INFO egress 0: rtmp" not in one.log  # loglevel
    _, listed = await one.api("GET", "/config?full=true", auth=READER)
    assert listed["sources"][0]["url"].endswith("/PREFIX")
    assert listed["caches"][0]["misses"] == 4

    async def told() -> bool:
        logged = "/made/a/index.m3u8" in read(log)
        code, _ = await one.api("GET", "/history/streams/made/a", auth=READER)
        return logged and {"play_opened", "stream_opened"} <= events.names and code == 200

    await until(told, "log of requests, events, history")
    await until(lambda: ended(one), "the RTMP session is in the log of sessions")


async def ended(one: Streamer) -> bool:
    _, found = await one.api("GET", "/history/sessions?name=made/a", auth=READER)
    return bool(found["sessions"])


async def by_the_api(one: Streamer) -> None:
    """Each row is changed while the server runs, and holds at once and after a reload."""

    async def put(**changes: Any) -> None:
        code, answer = await one.api("PUT", "/config", auth=BOSS, json=changes)
        assert code == 200, answer

    async def seen() -> None:
        assert not any(line.startswith("http") for line in await segments(one, "made/a", "?KEY=1"))
        assert await status(one, "made/a/index.m3u8") == 403  # auto_token: no KEY
        assert await status(one, "made/a/index.m3u8?KEY=1") == 200
        code, _ = await one.api("GET", "/streams", auth={"Authorization": "Bearer OTHER"})
        assert code == 200
        _, stats = await one.api("GET", "/config/stats", auth=READER)
        assert stats["total_bandwidth"] == 1_000_000
        for path in ("/history/streams/made/a", "/history/sessions"):
            assert (await one.api("GET", path, auth=READER))[0] == 404, path

    port = free_port()
    code, answer = await one.api("POST", "/reload", auth=BOSS, base="/flussonic/api")
    assert code == 200, answer
    await put(
        url_prefix=None,
        auth_token="KEY",
        auto_token=False,
        cluster_key="OTHER",
        total_bandwidth=1_000_000,
        pulsedb=None,
        session_log=None,
        view_auth={"login": "USER", "password": "PASSWORD"},
        listeners={
            "http": [{"address": "127.0.0.1", "port": one.http_port}],
            "rtmp": [{"address": "127.0.0.1", "port": port}],
        },
    )

    async def known() -> bool:
        return await status(one, "made/a/index.m3u8?KEY=0") == 200

    await until(known, "the workers know the name of the token")
    await seen()

    async def moved() -> bool:
        return await ffprobe(f"rtmp://127.0.0.1:{port}/static/made/a?KEY=2") == ["aac", "h264"]

    await until(lambda: opened(port), "RTMP has a port of its own now")
    assert await moved()
    code, answer = await one.api(
        "PUT", "/config", auth=BOSS, json={"listeners": {"http": [port], "rtsp": [port]}}
    )
    assert code == 400, answer
    assert "port_taken" in json.dumps(answer)
    code, answer = await one.api("POST", "/reload", auth=BOSS, base="/flussonic/api")
    assert code == 200, answer
    await seen()
    await put(max_sessions=1)
    assert await status(one, "made/b/index.m3u8?KEY=3") == 503
    await put(max_sessions=100, api_allowed_from=["10/8"])
    assert (await one.api("GET", "/streams", auth=BOSS))[0] == 403


async def opened(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
