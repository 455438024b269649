"""Who may not: API, publishing and playing with no credentials and with wrong ones."""

import asyncio
import base64
from pathlib import Path

import aiohttp
import pytest
from media_rest.credentials import basic_header

from tests.support.players import run
from tests.support.streamer import ADMIN, VIEWER

from .conftest import FilmStreamer, Launch, live

SECRETS = ("secret", "look", "pa55word", "gue55ed", "t0ken", "w1ong")
"""All that is secret here, and all that was tried: a wrong password may be right elsewhere."""


@pytest.fixture
async def guarded(streamer: FilmStreamer) -> FilmStreamer:
    streamer.write(
        "loglevel debug;\nlogrequests true;\n"
        "auth_backend gate { allow token t0ken; }\n"
        "stream cam { input publish://; password pa55word; }\n"
        "stream good { input fake://fake; on_play auth://gate; segment_duration 1; }\n"
    )
    await streamer.serve()
    await streamer.running("good")
    return streamer


def says_no_secret(streamer: FilmStreamer) -> None:
    for secret in SECRETS:
        assert secret not in streamer.log
        assert base64.b64encode(f"admin:{secret}".encode()).decode() not in streamer.log


REFUSED = {
    "wrong password": basic_header("admin", "gue55ed"),
    "wrong login": basic_header("nobody", "secret"),
    "viewer's password": basic_header("admin", "look"),
    "empty": basic_header("", ""),
    "Bearer": f"Bearer {base64.b64encode(b'admin:gue55ed').decode()}",
    "no scheme": "gue55ed",
    "no Base64": "Basic !!gue55ed!!",
    "Cluster": f"Cluster 1795000000:{'0' * 40}",
}


async def test_the_api(guarded: FilmStreamer) -> None:
    for path in ("/streams", "/streams/good", "/config", "/config/stats", "/sessions"):
        async with guarded.session.get(f"{guarded.base}/streamer/api/v3{path}") as answer:
            assert answer.status == 401, path
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    # Who was right before does not wait for what else is wrong at his address.
    assert (await guarded.api("GET", "/streams", auth=VIEWER))[0] == 200
    assert (await guarded.api("GET", "/streams", auth=ADMIN))[0] == 200
    for what, words in REFUSED.items():
        status, answer = await guarded.api("GET", "/streams", auth={"Authorization": words})
        assert status == 403, what
        assert answer["error"], what
        assert "gue55ed" not in str(answer)
    for method, path in (
        ("PUT", "/streams/new"),
        ("DELETE", "/streams/good"),
        ("PUT", "/config"),
        ("POST", "/streams/good/stop"),
        ("POST", "/sessions/reauth?name=good"),
    ):
        assert (await guarded.api(method, path, auth=None, json={}))[0] == 401, path
        assert (await guarded.api(method, path, auth=VIEWER, json={}))[0] == 403, path
    legacy = ("/server", "/media", "/sessions", "/metrics", "/reload")
    for path in legacy:
        status, _ = await guarded.api("GET", path, auth=None, base="/flussonic/api")
        assert status == 401, path
    assert (await guarded.api("GET", "/streams", auth=VIEWER))[0] == 200
    assert (await guarded.api("GET", "/streams", auth=ADMIN))[0] == 200
    says_no_secret(guarded)


@pytest.mark.parametrize(
    "query",
    ["", "?password=gue55ed", "?password=", "?passwd=pa55word"],
    ids=["none", "wrong", "empty", "misnamed"],  # the test's directory stands in the log
)
async def test_publishing(
    guarded: FilmStreamer, film: Path, tmp_path: Path, launch: Launch, query: str
) -> None:
    publish = ("ffmpeg", "-nostdin", "-v", "error", *map(str, live(film)))
    url = f"{guarded.rtmp}/static/cam{query}"
    status, _, err = await run(*publish, "-f", "flv", url, seconds=20)
    assert status != 0
    assert "password" in err.replace(url, ""), err
    body = tmp_path / "film.ts"
    status, _, err = await run(
        "ffmpeg", "-v", "error", "-i", str(film), "-c", "copy", str(body), seconds=20
    )
    assert status == 0, err
    with body.open("rb") as file:
        url = f"{guarded.base}/cam/mpegts{query}"
        async with guarded.session.post(url, data=file) as answer:
            assert answer.status == 403
            assert "pa55word" not in await answer.text()
    assert not (await guarded.stream("cam"))["stats"].get("published_from")
    # Nothing is left of it: the owner is taken at once.
    await launch(*live(film), "-f", "flv", f"{guarded.rtmp}/static/cam?password=pa55word")
    await guarded.running("cam")
    says_no_secret(guarded)


@pytest.mark.parametrize("query", ["", "?token=w1ong"], ids=["none", "wrong"])
async def test_playing(guarded: FilmStreamer, query: str) -> None:
    async def refused(path: str) -> None:
        url = f"{guarded.base}/{path}{query}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 403, path
            assert "w1ong" not in await answer.text()

    names = ("index.m3u8", "index.ll.m3u8", "index.fmp4.m3u8", "mpegts", "preview.jpg")
    paths = [f"good/{name}" for name in names]
    await asyncio.gather(*(refused(path) for path in [*paths, "good.flv"]))
    status, _, err = await run(
        "ffmpeg", "-v", "error", "-i", f"{guarded.rtmp}/static/good{query}", "-f", "null", "-",
        seconds=20,
    )  # fmt: skip
    assert status != 0, err
    stats = (await guarded.stream("good"))["stats"]
    assert stats["client_count"] == 0
    status, _, err = await run(
        "ffmpeg", "-v", "error", "-i", f"{guarded.rtmp}/static/good?token=t0ken", "-t", "1",
        "-f", "null", "-", seconds=30,
    )  # fmt: skip
    assert (status, err) == (0, "")
    says_no_secret(guarded)
