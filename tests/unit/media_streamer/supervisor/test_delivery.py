"""What an egress worker is told of a stream: where segments of before it was taken can be had."""

import time

import pytest
from media_api.server import ServerConfig
from media_streamer.supervisor.catalog import Catalog, Stream
from media_streamer.supervisor.delivery import FORMER_SECONDS, source_of
from media_streamer.wire.control import Passage

FRAMES = {"url": "m4f://pod-1:8080/news", "cluster_key": "k"}


def configured(catalog: Catalog, *inputs: dict[str, str]) -> Stream:
    streams = [{"name": "a", "inputs": list(inputs)}]
    catalog.set_config(ServerConfig.model_validate({"streams": streams}))
    return catalog.streams["a"]


@pytest.mark.parametrize(
    ("url", "key", "base"),
    [
        ("m4f://pod-1:8080/news", "k", "http://pod-1:8080"),
        ("m4ss://pod-1/news", "k", "https://pod-1"),
        ("m4f://pod-1:8080/news", "", ""),  # nobody lets us in
        ("tshttp://pod-1:8080/news/mpegts", "k", ""),  # cut into segments of our own
        ("hls://pod-1/news/index.m3u8", "k", ""),
        ("publish://", "", ""),
    ],
)
def test_only_of_frames_segments_have_one_name(url: str, key: str, base: str) -> None:
    found = source_of(configured(Catalog(), {"url": url, **({"cluster_key": key} if key else {})}))
    assert found == (Passage(base, "news", "k", chain=False) if base else None)


def test_a_stream_that_is_taken_over_has_a_past_there_for_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = Catalog()
    assert source_of(configured(catalog, {"url": "fake://fake"})) is None
    past = source_of(configured(catalog, FRAMES))
    assert past is not None
    assert source_of(configured(catalog, {"url": "fake://fake"})) == past
    later = time.monotonic() + FORMER_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert source_of(catalog.streams["a"]) is None
