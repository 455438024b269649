"""Streams from the configuration file and from the API, played by a real player."""

import asyncio
from pathlib import Path

import pytest

from .conftest import VIEWER, Streamer, ffprobe, free_port, until

DEMO = 'stream demo { input fake://fake; segment_duration 1; title "Demo"; }\n'


@pytest.fixture
def streamer(lent_streamer: Streamer) -> Streamer:
    return lent_streamer


async def test_a_stream_of_the_file_plays(own_streamer: Streamer) -> None:
    streamer = own_streamer
    streamer.is_forked = False
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    for path in ("demo/index.m3u8", "demo/mpegts", "demo.flv"):
        assert await ffprobe(f"{streamer.base}/{path}") == ["aac", "h264"], path
    _, sessions = await streamer.api("GET", "/sessions?name=demo&proto=hls")
    assert [item["type"] for item in sessions["sessions"]] == ["play"]
    assert await streamer.stop() == 0
    assert "Traceback" not in streamer.log


async def test_who_only_asks_about_a_stream_is_no_viewer(streamer: Streamer) -> None:
    other = free_port()  # on all addresses, where IPv4 viewers have mapped ones
    streamer.write(f"{DEMO}http {other};\nlogrequests true;\nwwwroot /srv/www;\n")
    await streamer.serve()
    await streamer.running("demo")
    for document in ("media_info.json", "info.json", "preview.jpg", "embed.html"):
        url = f"http://127.0.0.1:{other}/demo/{document}"
        async with streamer.session.get(url) as answer:
            assert answer.status == 200, document
    _, sessions = await streamer.api("GET", "/sessions")
    assert sessions["sessions"] == []
    assert (await streamer.stream("demo"))["stats"]["online_clients"] == 0
    assert '"GET /demo/info.json HTTP/1.1" 200' in streamer.log
    assert "wwwroot has no effect in this version" in streamer.log


async def test_streams_by_the_api(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    body = {"inputs": [{"url": "fake://fake"}], "title": "Two"}
    status, state = await streamer.api("PUT", "/streams/a%2Fb", json=body)
    assert (status, state["named_by"], state["config_on_disk"]["title"]) == (200, "config", "Two")
    await streamer.running("a/b")
    assert await ffprobe(f"{streamer.base}/a/b/mpegts") == ["aac", "h264"]
    text = streamer.config.read_text()
    assert "# kept" in text
    assert "stream a/b" in text
    _, state = await streamer.api("PUT", "/streams/a/b", json={"titel": "B"})
    assert state["warnings"] == [
        "titel: there is no such field, it was left out; did you mean title?"
    ]
    _, state = await streamer.api("PUT", "/templates/t", json={"prefixes": ["t"], "titel": "B"})
    assert state["warnings"][0].startswith("titel:")
    _, answer = await streamer.api("POST", "/config", json={"loglevl": "debug"})
    assert answer["warnings"][0].endswith("did you mean loglevel?")
    status, state = await streamer.api("PUT", "/streams/a/b", json={"name": "c", "title": None})
    assert (status, state["name"], state["title"]) == (200, "c", "")
    assert (await streamer.api("GET", "/streams/a%2Fb"))[0] == 404
    assert (await streamer.api("DELETE", "/streams/c"))[0] == 204
    assert (await streamer.api("GET", "/streams/c"))[0] == 404
    async with streamer.session.get(f"{streamer.base}/c/index.m3u8") as answer:
        assert answer.status == 404


async def test_a_refused_stream_changes_nothing(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    before = streamer.config.read_text()
    refused: list[tuple[dict[str, object], str]] = [
        ({"inputs": [{"url": "http://x/"}]}, "/inputs/0/url"),
        ({"segment_count": "many"}, "/segment_count"),
        ({"name": "../etc"}, "/name"),
    ]
    for body, pointer in refused:
        status, answer = await streamer.api("PUT", "/streams/x", json=body)
        assert status == 400
        assert answer["errors"][0]["source"]["pointer"] == pointer
    assert (await streamer.api("PUT", "/streams/x", data=b"{"))[1]["error"] == "malformed_json"
    assert streamer.config.read_text() == before


async def test_readers_see_no_secrets(streamer: Streamer) -> None:
    streamer.write(
        "stream cam { input rtsp://u:PASSWORD@192.0.2.1/x; password KEYWORD; disabled; }"
    )
    await streamer.serve()
    for path in ("/streams", "/streams/cam", "/config?full=true", "/config"):
        url = f"{streamer.base}/streamer/api/v3{path}"
        async with streamer.session.get(url, headers=VIEWER) as answer:
            text = await answer.text()
            assert answer.status == 200
        for secret in ("PASSWORD", "KEYWORD", "secret", "look"):
            assert secret not in text.replace("edit_auth", ""), (path, secret)
    assert (await streamer.api("DELETE", "/streams/cam", auth=VIEWER))[0] == 403
    assert (await streamer.api("GET", "/streams", auth=None))[0] == 401
    headers = {"Accept": "text/plain"}
    assert (await streamer.api("GET", "/config", auth=VIEWER, headers=headers))[0] == 403
    assert (await streamer.stream("cam"))["inputs"][0]["url"] == "rtsp://u:PASSWORD@192.0.2.1/x"
    assert "PASSWORD" not in streamer.log


async def test_a_reload_touches_only_what_differs(streamer: Streamer) -> None:
    streamer.write(DEMO + "stream other { input fake://fake; }\n")
    await streamer.serve()
    before = await streamer.running("demo")
    await streamer.running("other")
    streamer.write(DEMO + "stream other { input fake://fake bitrate=900000; }\nstream new { }\n")
    status, _ = await streamer.api("POST", "/reload", base="/flussonic/api")
    assert status == 200
    assert await streamer.stream("new")
    assert (await streamer.stream("other"))["inputs"][0]["bitrate"] == 900000
    after = await streamer.running("demo")
    assert after["stats"]["opened_at"] == before["stats"]["opened_at"]
    assert after["stats"]["started_at"] == before["stats"]["started_at"]


async def test_a_broken_file_keeps_the_old_configuration(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    good = streamer.config.read_text()
    streamer.config.write_text(good + "stream broken { inputt fake://fake; }\n")
    status, error = await streamer.api("POST", "/reload", base="/flussonic/api")
    assert (status, error["line"], error["error"]) == (400, 6, "unknown_directive")
    assert await streamer.stream("demo")
    _, stats = await streamer.api("GET", "/config/stats")
    assert stats["streamer_status"] == "broken_config"
    assert stats["config_error"]["first_error_line"] == 6
    status, _ = await streamer.api(
        "PUT", "/config", data=good + "streem;", headers={"Content-Type": "text/plain"}
    )
    assert status == 400
    assert "streem" not in streamer.config.read_text()
    status, _ = await streamer.api(
        "PUT", "/config", data=good, headers={"Content-Type": "text/plain"}
    )
    assert status == 200
    _, stats = await streamer.api("GET", "/config/stats")
    assert (stats["streamer_status"], stats.get("config_error")) == ("running", None)


async def test_globals_by_json(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    body = {"max_sessions": 7, "templates": [{"name": "t", "prefixes": ["x"]}], "unknown": 1}
    status, config = await streamer.api("PUT", "/config", json=body)
    assert (status, config["max_sessions"], config["templates"][0]["name"]) == (200, 7, "t")
    text = streamer.config.read_text()
    assert "max_sessions 7" in text
    assert "# kept" in text
    assert (await streamer.api("POST", "/config", json={"loglevel": "loud"}))[0] == 400
    assert (await streamer.api("GET", "/templates/t"))[1]["prefixes"] == ["x"]
    assert (await streamer.api("PUT", "/templates/t", json={"comment": "c"}))[0] == 200
    assert (await streamer.api("DELETE", "/templates/t"))[0] == 204
    assert (await streamer.api("GET", "/templates"))[1]["templates"] == []


async def test_a_published_name_lives_as_long_as_its_use(streamer: Streamer) -> None:
    streamer.write(
        "template live { prefix live; input publish://; password pw; segment_duration 1; }\n"
    )
    await streamer.serve()
    async with streamer.session.get(f"{streamer.base}/live/x/index.m3u8") as answer:
        assert answer.status == 404, "a viewer does not make a stream that nobody publishes"

    async def publish(query: str) -> asyncio.subprocess.Process:
        words = "-re -f lavfi -i testsrc=size=320x180:rate=25 -c:v libx264 -preset ultrafast -g 25"
        return await asyncio.create_subprocess_exec(
            "ffmpeg", "-v", "error", *words.split(), "-f", "mpegts", "-method", "POST",
            f"{streamer.base}/live/x/mpegts{query}",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    refused = await publish("?password=wrong")
    assert await asyncio.wait_for(refused.wait(), 20) != 0
    assert not (await streamer.stream("live/x")).get("stats", {}).get("alive")
    publisher = await publish("?password=pw")
    try:
        state = await streamer.running("live/x")
        assert state["named_by"] == "user"
        assert state["stats"]["published_via"] == "tshttp"
        assert await ffprobe(f"{streamer.base}/live/x/mpegts") == ["h264"]
    finally:
        publisher.kill()
        await publisher.wait()

    async def gone() -> bool:
        stats = (await streamer.stream("live/x")).get("stats", {})
        return not stats.get("alive") and "published_via" not in stats

    await until(gone, "the publisher is forgotten")


async def test_no_file_means_defaults_and_the_api_makes_it(
    own_streamer: Streamer, tmp_path: Path
) -> None:
    streamer = own_streamer
    streamer.config = tmp_path / "sub" / "new.conf"
    await streamer.serve(
        STREAMER_HTTP=f"127.0.0.1:{streamer.http_port}", STREAMER_EDIT_AUTH="admin secret"
    )
    status, _ = await streamer.api("PUT", "/streams/x", json={"title": "T"})
    assert status == 200
    assert "stream x" in streamer.config.read_text()


async def test_metrics_and_documents(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    _, text = await streamer.api("GET", "/streams", headers=accept)
    assert 'stream_bytes_in{name="demo",server_id=' in text
    _, text = await streamer.api("GET", "/config/stats?format=openmetrics")
    assert "server_total_clients{" in text
    _, document = await streamer.api("GET", "/openapi.json", auth=None)
    assert document["paths"]["/streams/{name}"]["put"]["requestBody"]
    assert "StreamConfig" in document["components"]["schemas"]
    _, settings = await streamer.api("GET", "/ui_settings", auth=None)
    assert settings["product"] == "streamer"
    async with streamer.session.get(f"{streamer.base}/") as answer:
        assert answer.content_type == "text/html"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_rtmp_in_and_out(streamer: Streamer) -> None:
    port = free_port()
    streamer.write(
        f"rtmp 127.0.0.1:{port};\ntemplate live {{ prefix live; input publish://; password pw; }}\n"
    )
    await streamer.serve()
    words = "-re -f lavfi -i testsrc=size=320x180:rate=25 -c:v libx264 -preset ultrafast -g 25"
    publisher = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", *words.split(), "-f", "flv",
        f"rtmp://127.0.0.1:{port}/live/x?password=pw",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        state = await streamer.running("live/x")
        assert state["stats"]["published_via"] == "rtmp"
        assert await ffprobe(f"rtmp://127.0.0.1:{port}/live/x") == ["h264"]
        assert await ffprobe(f"{streamer.base}/live/x/index.m3u8") == ["h264"]
        _, page = await streamer.api("GET", "/sessions?type=publish")
        session = page["sessions"][0]
        assert (session["name"], session["proto"]) == ("live/x", "rtmp")
        assert (await streamer.api("DELETE", f"/sessions/{session['id']}"))[0] == 204
        assert await asyncio.wait_for(publisher.wait(), 20) != 0, "its connection is closed"
    finally:
        if publisher.returncode is None:
            publisher.kill()
            await publisher.wait()


async def test_a_second_streamer_passes_a_protected_stream_on(tmp_path: Path) -> None:
    # Nobody answers at port 9: on_play lets no viewer in.
    protected = "stream demo { input fake://fake; on_play http://127.0.0.1:9/; protocols -mpegts; }"
    directories = [tmp_path / "origin", tmp_path / "edge"]
    for directory in directories:
        directory.mkdir()
    origin, edge = (Streamer(directory) for directory in directories)
    try:
        origin.write(f"cluster_key together;\n{protected}\n")
        await origin.serve()
        await origin.running("demo")
        async with origin.session.get(f"{origin.base}/demo/mpegts") as answer:
            assert answer.status == 403
        source = f"tshttp://127.0.0.1:{origin.http_port}/demo/mpegts"
        edge.write(f"stream demo {{ input {source} cluster_key=together; }}\n")
        await edge.serve()
        await edge.running("demo")
        assert await ffprobe(f"{edge.base}/demo/mpegts") == ["aac", "h264"]
        assert "together" not in origin.log + edge.log
    finally:
        await origin.close()
        await edge.close()


async def test_a_reload_ends_viewers_without_a_token(streamer: Streamer) -> None:
    async def status(path: str) -> int:
        async with streamer.session.get(f"{streamer.base}/demo/{path}") as answer:
            return answer.status

    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    lists = ["tracks-v1a1/mono.m3u8", "tracks-v1a1/mono.m3u8?token=x"]
    for path in lists:
        assert await status(path) == 200
    streamer.write(f"{DEMO}no_auto_token;\n")
    await streamer.reload()

    async def refused() -> bool:
        return await status(lists[0]) == 403

    await until(refused, "the session that has no token is over")
    assert await status(lists[1]) == 200
    for path in ("mpegts", "index.mpd", "preview.jpg", "embed.html", "whep"):
        assert await status(path) in {403, 405}, path
