"""Statistics of streams that run: names and types of the published API, and what is counted."""

import pytest

from tests.support.published_fields import wrong_types
from tests.support.streamer import ADMIN

from .conftest import Streamer, until


@pytest.fixture
def streamer(lent_streamer: Streamer) -> Streamer:
    return lent_streamer


async def test_a_running_stream_and_its_viewers(streamer: Streamer) -> None:
    # No other test's stream: of that, answers of a moment ago may be told while this one runs.
    streamer.write("stream counted { input fake://fake; segment_duration 1; }\n")
    await streamer.serve()
    await streamer.running("counted")
    for path, status in (
        ("counted/index.m3u8", 200),
        ("counted/index.m3u8", 200),
        ("counted/x.mpd", 404),
    ):
        async with streamer.session.get(f"{streamer.base}/{path}") as answer:
            assert answer.status == status, path
    async with streamer.session.get(f"{streamer.base}/counted/tracks-v9/mono.m3u8") as answer:
        assert answer.status == 404

    async def counted() -> bool:
        play = (await streamer.stream("counted"))["stats"]["play"]
        return (play.get("play_hls_http_200"), play.get("play_hls_http_404")) == (2, 1)

    await until(counted, "answers are counted")
    state = await streamer.stream("counted")
    stats = state["stats"]
    assert not list(wrong_types("stream_stats", stats))
    assert not list(wrong_types("input_stats", stats["input"]))
    assert not list(wrong_types("input_stats", state["inputs"][0]["stats"]))
    assert stats["running"] is True
    assert stats["url"] == "fake://fake"
    assert isinstance(stats["last_dts"], int)
    assert stats["input_media_info"]["tracks"]
    counters = {
        "errors_lost_packets", "errors_decoder_reset", "errors_broken_payload",
        "errors_dropped_frames", "errors_desync", "errors_ts_pat", "errors_ts_service_lost",
        "errors_404", "errors_403", "errors_500", "resync_count_drift", "resync_count_normal",
        "reorder_count",
    }  # fmt: skip
    assert counters <= stats["input"].keys()
    _, sessions = await streamer.api("GET", "/sessions")
    assert not list(wrong_types("session", sessions["sessions"][0]))
    _, server = await streamer.api("GET", "/config/stats")
    assert not list(wrong_types("server_stats", server))


async def test_a_source_that_is_not_there(streamer: Streamer) -> None:
    port = streamer.http_port
    streamer.write(f"stream gone {{ input hls://127.0.0.1:{port}/none/index.m3u8; }}\n")
    await streamer.serve()

    async def refused() -> bool:
        stats = (await streamer.stream("gone"))["stats"]
        return stats.get("input", {}).get("errors_404", 0) > 0

    await until(refused, "the refusals are counted")
    stats = (await streamer.stream("gone"))["stats"]
    assert stats["url"].startswith("hls://127.0.0.1")
    assert stats["lifetime"] == 0


async def test_history_on_disk(streamer: Streamer) -> None:
    history = streamer.directory / "history"
    streamer.write(f"pulsedb {history};\nstream demo {{ input fake://fake; }}\n")
    await streamer.serve()
    await streamer.running("demo")

    async def sampled() -> list[dict[str, float]]:
        status, graph = await streamer.api("GET", "/history/streams/demo")
        assert status == 200
        return [one for one in graph["points"] if one["bitrate"] > 0]

    [point, *_] = await until(sampled, "the history has a sample")
    assert 0 < point["alive"] <= 1
    _, server = await streamer.api("GET", "/history/server?points=10")
    assert server["points"][-1]["streams"] > 0
    assert server["step"] % 1000 == 0
    url = f"{streamer.base}/streamer/api/v3/history/streams/demo?format=csv"
    async with streamer.session.get(url, headers=ADMIN) as answer:
        assert answer.content_type == "text/csv"
        assert (await answer.text()).startswith("time,at,bitrate,")
    _, settings = await streamer.api("GET", "/ui_settings")
    assert settings["menu_items"]["pulse"] is True
    for query in ("from=x", "from=5&to=4", "points=0", "points=9999999"):
        assert (await streamer.api("GET", f"/history/server?{query}"))[0] == 400
    assert (await streamer.api("GET", "/history/streams/none"))[0] == 404
    streamer.write("stream demo { input fake://fake; }\n")
    await streamer.reload()
    status, answer = await streamer.api("GET", "/history/streams/demo")
    assert (status, answer["error"]) == (404, "no_history")

    async def stored() -> bool:
        return (history / "pulse.sqlite3").exists()

    await until(stored, "the last minute is stored")


async def test_sessions_that_have_ended(streamer: Streamer) -> None:
    folder = streamer.directory / "ended"
    streamer.write(f"session_log {folder};\nstream demo {{ input fake://fake; }}\n")
    await streamer.serve()
    await streamer.running("demo")
    url = f"{streamer.base}/demo/mpegts?token=SECRET"
    async with streamer.session.get(url, headers={"User-Agent": "tv"}) as answer:
        await answer.content.readany()

    async def ended() -> list[dict[str, object]]:
        status, found = await streamer.api("GET", "/history/sessions?proto=tshttp&name=demo")
        assert status == 200
        assert found["complete"] is True
        sessions: list[dict[str, object]] = found["sessions"]
        return sessions

    [session] = await until(ended, "the session is in the log")
    assert (session["type"], session["user_agent"], session["status"]) == ("play", "tv", "finished")
    assert session["bytes"]
    assert session["reason"]
    assert "SECRET" not in "".join(one.read_text() for one in folder.iterdir())
    _, found = await streamer.api("GET", "/history/sessions?name=other")
    assert found["sessions"] == []
    assert (await streamer.api("GET", "/history/sessions?from=9&to=5"))[0] == 400
    streamer.write("stream demo { input fake://fake; }\n")
    await streamer.reload()
    status, found = await streamer.api("GET", "/history/sessions")
    assert (status, found["error"]) == (404, "no_session_log")
