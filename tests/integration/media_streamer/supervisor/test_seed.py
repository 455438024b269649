"""The rows of the vendor's page on the configuration file, in one file, each seen from outside.

Two servers: `origin`, whose streams are taken, and the one with the rows. What is observed is said
by a real client or server at the other end: openssl and ffmpeg by TLS, aiohttp, an HTTP receiver of
events, a Lua script, a database of countries, another streamer.
"""

import asyncio
import json
import re
import shutil
import ssl
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_rest.credentials import basic_header

from tests.support.certificates import make_chain
from tests.support.country_database import write_country_database
from tests.support.ports import free_port
from tests.support.streamer import Streamer, until

EDITOR = {"Authorization": basic_header("EDITOR", "PASSWORD")}
VIEWER = {"Authorization": basic_header("USER", "PASSWORD")}
LUA = """
for _, event in ipairs(events) do
    if event.event == "play_opened" then
        http.post(args.to, {script = event.media})
    end
end
"""
ROWS = """
https {https} {{ {certificate} }}
http {http};
http 127.0.0.1:{second};
rtmp 127.0.0.1:{second};
rtmp 127.0.0.1:{rtmp};
rtmps {https} {{ {certificate} }}
rtmps {rtmps} {{ {certificate} }}
rtsp {rtsp};
rtsps {rtsps} {{ {certificate} }}
loglevel debug;
logrequests true;
total_bandwidth 10G;
auth_token TOKEN;
max_sessions {sessions};
{token}
cluster_key SECRETKEY;
view_auth USER PASSWORD;
edit_auth EDITOR PASSWORD;
api_allowed_from {allowed};
notify HANDLER_NAME {{sink {backend}/event;}}
notify SCRIPT {{sink {home}/events.lua; to {backend}/script;}}
pulsedb {home}/pulse;
session_log {home}/sessions;
url_prefix http://cdn.example.com/;
source 127.0.0.1:{origin}/PREFIX;
stream ntv {{ url tshttp://127.0.0.1:{origin}/first.ts; }}
ondemand later {{ url tshttp://127.0.0.1:{origin}/first.ts; }}
live published {{ }}
file vod {{ path {home}/storage; cache @globalcache; }}
cache globalcache {home}/www misses=4 2d 40G;
nvidia_monitor true;
geoip {home}/countries.mmdb;
"""


class Backend:
    """Takes events, from the server and from its script."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.told_by_script: list[str] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.events += await request.json()
        return web.Response()

    async def hear(self, request: web.Request) -> web.Response:
        self.told_by_script.append(json.loads(await request.text())["script"])
        return web.Response()


class Rows(Streamer):
    """The server with the rows."""

    def __init__(self, directory: Path, origin: Streamer, backend: Backend) -> None:
        super().__init__(directory)
        names = ("https", "second", "rtmp", "rtmps", "rtsp", "rtsps")
        self.ports = {name: free_port() for name in names}
        self.tls = make_chain(directory)
        self.origin, self.backend = origin, backend
        self.access_log = directory / "access.log"
        (directory / "storage").mkdir()
        (directory / "events.lua").write_text(LUA)
        write_country_database(directory / "countries.mmdb", {"127.0.0.0/8": "NL"})

    def declare(
        self,
        *,
        token: str = "auto_token UUID;",
        sessions: int = 1000,
        allowed: str = "10/8 127.0.0.1",
    ) -> None:
        self.config.write_text(
            ROWS.format(
                certificate="certificate streamer.crt; certificate_key streamer.key;",
                http=self.http_port,
                token=token,
                sessions=sessions,
                allowed=allowed,
                backend=self.backend.url,
                home=self.directory,
                origin=self.origin.http_port,
                **self.ports,
            )
        )

    async def again(self, **rows: Any) -> None:
        """Other values of rows."""
        self.declare(**rows)
        status, answer = await self.api("POST", "/reload", auth=EDITOR, base="/flussonic/api")
        assert status == 200, answer

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        async with self.session.get(f"{self.base}/{path}", **options) as answer:
            return answer.status, (await answer.read()).decode(errors="replace")

    async def sessions(self, name: str) -> list[dict[str, Any]]:
        _, found = await self.api("GET", f"/sessions?name={name}", auth=EDITOR)
        sessions: list[dict[str, Any]] = found["sessions"]
        return sessions


async def ffmpeg(*words: str) -> tuple[int | None, str]:
    """Status and complaints."""
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-nostdin", "-v", "error", "-y", *words, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, errors.decode()


async def watch(url: str, *options: str) -> None:
    """A few frames of a URL are read by ffmpeg."""
    status, errors = await ffmpeg(
        *options, "-i", url, "-map", "0:v", "-frames:v", "3", "-c", "copy", "-f", "null", "-"
    )
    assert status == 0, f"{url}: {errors}"


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    one = Backend()
    app = web.Application()
    app.router.add_post("/event", one.take)
    app.router.add_post("/script", one.hear)
    async with TestServer(app) as server:
        one.url = str(server.make_url("")).rstrip("/")
        yield one


@pytest.fixture
async def rows(tmp_path: Path, backend: Backend) -> AsyncIterator[Rows]:
    if not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg program on this machine: apt install ffmpeg")
    (tmp_path / "origin").mkdir()
    (tmp_path / "rows").mkdir()
    origin = Streamer(tmp_path / "origin")
    one = Rows(tmp_path / "rows", origin, backend)
    origin.write(
        "cluster_key SECRETKEY;\nstream first { input fake://fake; segment_duration 1; }\n"
    )
    film = one.directory / "storage" / "film.mp4"
    picture = "testsrc2=size=160x90:rate=25:duration=6"
    encode = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
    try:
        await asyncio.gather(
            origin.serve(), ffmpeg("-f", "lavfi", "-i", picture, *encode, str(film))
        )
        one.declare()
        await one.serve(STREAMER_ACCESS_LOG=str(one.access_log))
        yield one
        assert "Traceback" not in one.log, one.log
    finally:
        await one.close()
        await origin.close()


async def test_every_row_is_seen_from_outside(rows: Rows) -> None:
    """In the order of the page, as far as time allows to do several at once."""

    async def known() -> bool:
        status, _ = await rows.api("GET", "/streams/PREFIX/first", auth=VIEWER)
        return status == 200

    await until(known, "the streams of the source are listed")
    ports = rows.ports
    context = ssl.create_default_context(cafile=str(rows.tls))
    url = f"https://127.0.0.1:{ports['https']}/ntv/index.m3u8"
    # https, http: the chain is sent, the key's passphrase known. A client without a token is given
    # one (auto_token UUID), which carries the name of auth_token.
    async with rows.session.get(url, ssl=context) as answer:
        assert answer.status == 200
        variants = await answer.text()
    assert "TOKEN=" in variants, variants
    [given] = set(re.findall(r"\?TOKEN=(\S+)", variants))
    assert uuid.UUID(given)
    # url_prefix: before segments, and only there.
    assert "cdn.example.com" not in variants
    media = f"ntv/tracks-v1a1/mono.m3u8?TOKEN={given}"
    _, text = await rows.get(media)
    segments = [line for line in text.splitlines() if not line.startswith("#")]
    assert segments
    assert all(line.startswith("http://cdn.example.com/ntv/") for line in segments), text
    # http ADDRESS:PORT
    async with rows.session.get(f"http://127.0.0.1:{ports['second']}/ntv/index.m3u8") as answer:
        assert answer.status == 200
    trust = ("-tls_verify", "1", "-ca_file", str(rows.tls))
    publishing = asyncio.create_task(
        ffmpeg(
            "-re", "-stream_loop", "-1", "-i", str(rows.directory / "storage/film.mp4"), "-c",
            "copy", "-t", "20", "-f", "flv", f"rtmp://127.0.0.1:{ports['rtmp']}/published/cam",
        )
    )  # fmt: skip
    try:
        await asyncio.gather(
            watch(f"rtmp://127.0.0.1:{ports['rtmp']}/static/ntv?TOKEN=a"),
            # Ports of HTTP, as the page has them: http 80; rtmp 80;
            watch(f"rtmp://127.0.0.1:{ports['second']}/static/ntv?TOKEN=a2"),
            watch(f"rtmps://127.0.0.1:{ports['https']}/static/ntv?TOKEN=b2", *trust),
            watch(f"rtmps://127.0.0.1:{ports['rtmps']}/static/ntv?TOKEN=b", *trust),
            watch(f"rtsp://127.0.0.1:{ports['rtsp']}/ntv?TOKEN=c", "-rtsp_transport", "tcp"),
            watch(f"rtsps://127.0.0.1:{ports['rtsps']}/ntv?TOKEN=d"),  # it cannot verify
            verified(ports["rtsps"], context),
            verified(ports["rtmps"], context),
            watch(f"{rows.base}/PREFIX/first/mpegts?TOKEN=e"),  # source
            watch(f"{rows.base}/later/mpegts?TOKEN=f"),  # ondemand
            watch(f"{rows.base}/vod/film.mp4/mpegts?TOKEN=g"),  # file
            published(rows),
        )
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    await what_was_told(rows, given)
    await who_may(rows)


async def verified(port: int, context: ssl.SSLContext) -> None:
    """The certificate is trusted by who knows the root alone. Raises SSLError."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.close()


async def published(rows: Rows) -> None:
    """live published { }: any name below it is taken."""

    async def alive() -> bool:
        status, found = await rows.api("GET", "/streams/published/cam", auth=VIEWER)
        return status == 200 and bool(found["stats"].get("alive"))

    await until(alive, "what is published is there")
    await watch(f"{rows.base}/published/cam/mpegts?TOKEN=h")


async def what_was_told(rows: Rows, given: str) -> None:
    """By events, logs, statistics and history."""

    async def sessions() -> bool:
        found = await rows.sessions("ntv")
        assert found
        return any(one.get("token") == given for one in found)

    await until(sessions, "the session has the token that it was given")
    [country] = {one["country"] for one in await rows.sessions("ntv")}
    assert country == "NL"  # geoip
    assert re.search(r" DEBUG ", rows.log)  # loglevel
    _, stats = await rows.api("GET", "/config/stats", auth=VIEWER)
    assert stats["total_bandwidth"] == 10_000_000_000
    assert stats["transcoder_devices"] == []  # nvidia_monitor without a driver
    assert rows.log.count("NVIDIA") <= 1

    async def told() -> bool:
        opened = {e.get("media") for e in rows.backend.events if e["event"] == "play_opened"}
        wanted = {"ntv", "later", "PREFIX/first", "vod/film.mp4", "published/cam"}
        return wanted <= opened and wanted <= set(rows.backend.told_by_script)

    await until(told, "receiver and script heard of every viewer")  # notify

    async def logged() -> bool:
        text = rows.access_log.read_text() if rows.access_log.exists() else ""
        lines = [line for line in text.splitlines() if "GET /ntv/index.m3u8" in line]
        return any(re.search(r"\bNL\b", line) for line in lines)

    await until(logged, f"requests are logged: {rows.access_log.read_text()[:500]}")  # logrequests

    async def ended() -> bool:
        _, found = await rows.api("GET", "/history/sessions?name=later", auth=VIEWER)
        return bool(found["sessions"])

    await until(ended, "the session is in the log")  # session_log

    async def sampled() -> bool:
        _, graph = await rows.api("GET", "/history/streams/ntv", auth=VIEWER)
        return any(point["bitrate"] > 0 for point in graph["points"])

    await until(sampled, "the history has a sample")  # pulsedb
    # cache: the first four requests for a file are misses.
    _, text = await rows.get("vod/film.mp4/tracks-v1/index.fmp4.m3u8?TOKEN=g")
    uri = next(line for line in text.splitlines() if ".m4s" in line)
    path = uri.replace("http://cdn.example.com/", "")
    hits: list[str] = []

    async def hit() -> bool:
        async with rows.session.get(f"{rows.base}/{path}") as answer:
            assert answer.status == 200
            hits.append(answer.headers.get("X-Cache", ""))
        return hits[-1] == "HIT"

    await until(hit, "the file comes from the cache")
    assert list((rows.directory / "www").glob("??/*"))


async def who_may(rows: Rows) -> None:
    """view_auth, edit_auth, cluster_key, max_sessions, no_auto_token, api_allowed_from."""
    stream = {"json": {"inputs": [{"url": "fake://fake"}], "static": False}}
    assert (await rows.api("GET", "/streams", auth=None))[0] == 401
    assert (await rows.api("GET", "/streams", auth=VIEWER))[0] == 200
    assert (await rows.api("PUT", "/streams/new", auth=VIEWER, **stream))[0] == 403
    assert (await rows.api("PUT", "/streams/new", auth=EDITOR, **stream))[0] == 200
    for key, status in (("SECRETKEY", 200), ("another", 403)):
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await rows.api("GET", "/streams", auth=bearer))[0] == status
    await rows.again(sessions=1)
    status, text = await rows.get("ntv/index.m3u8?TOKEN=one-more")
    assert (status, "sessions" in text) == (503, True), text
    await rows.again(token="no_auto_token;")
    assert (await rows.get("ntv/index.m3u8"))[0] == 403
    assert (await rows.get("ntv/index.m3u8?TOKEN=mine"))[0] == 200
    await rows.again(token="auto_token blank;", allowed="10/8 192.168/16")
    assert (await rows.get("ntv/index.m3u8"))[0] == 200, "viewers may go on"
    assert (await rows.api("GET", "/streams", auth=EDITOR))[0] == 403
