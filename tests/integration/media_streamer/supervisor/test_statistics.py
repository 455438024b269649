"""Statistics of streams that run: names and types of the published API, and what is counted."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.published_fields import wrong_types
from tests.support.streamer import Lender

from .conftest import Streamer, until


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    lending = Lender(lambda: Streamer(tmp_path_factory.mktemp("streamer")))
    yield lending
    lending.close()


@pytest.fixture
async def streamer(lender: Lender) -> AsyncIterator[Streamer]:
    """The module's: each test gives it a configuration of its own."""
    async with lender.lend() as one:
        yield one


async def test_a_running_stream_and_its_viewers(streamer: Streamer) -> None:
    streamer.write("stream demo { input fake://fake; }\n")
    await streamer.serve()
    await streamer.running("demo")
    for path, status in (("demo/index.m3u8", 200), ("demo/index.m3u8", 200), ("demo/x.mpd", 404)):
        async with streamer.session.get(f"{streamer.base}/{path}") as answer:
            assert answer.status == status, path
    async with streamer.session.get(f"{streamer.base}/demo/tracks-v9/mono.m3u8") as answer:
        assert answer.status == 404

    async def counted() -> bool:
        play = (await streamer.stream("demo"))["stats"]["play"]
        return (play.get("play_hls_http_200"), play.get("play_hls_http_404")) == (2, 1)

    await until(counted, "answers are counted")
    state = await streamer.stream("demo")
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
