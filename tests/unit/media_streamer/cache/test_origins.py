"""Which origin is asked first."""

import socket

import pytest
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.origins import (
    DOWN_SECONDS,
    REMEMBER_SECONDS,
    OriginFailed,
    Origins,
    Question,
)
from yarl import URL

A, B, C = (URL(f"http://{name}.svc") for name in "abc")


@pytest.fixture
async def origins():
    found = Origins([A, B, C], Metrics())
    yield found
    await found.close()


async def test_the_one_that_had_the_stream_is_first_for_a_while(origins):
    origins._known["x"] = (B, 100.0)
    assert origins.order("x", 99) == [B, A, C]
    assert origins.order("x", 100) == [A, B, C]
    assert origins.order("y", 99) == [A, B, C]
    assert REMEMBER_SECONDS > 10


async def test_those_that_are_down_are_last_even_if_they_had_the_stream(origins):
    origins._known["x"] = (A, 100.0)
    origins._down[A] = 50.0
    assert origins.order("x", 49) == [B, C, A]
    assert origins.order("x", 51) == [A, B, C]


async def test_a_dead_origin_is_logged_once_and_without_its_password(caplog):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        origins = Origins([URL(f"http://user:secret@127.0.0.1:{port}")], Metrics())
        try:
            for _ in range(3):
                with pytest.raises(OriginFailed, match="cannot be connected") as caught:
                    await origins.ask(Question("GET", "/a/index.m3u8?token=hidden", "a", {}))
                assert caught.value.status == 502
        finally:
            await origins.close()
    assert DOWN_SECONDS > 1
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    assert "hidden" not in caplog.text
