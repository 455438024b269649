"""Streams, viewers and channels that come and go leave nothing in a media worker."""

import asyncio
import gc
import weakref
from pathlib import Path

import pytest
from media_api.stream import StreamConfig
from media_streamer.media.relay import Relay
from media_streamer.media.stream import StreamRunner
from media_streamer.media.worker import MediaWorker
from media_streamer.wire.channel import connect, listen
from media_streamer.wire.control import RemoveStream
from media_streamer.wire.homes import make_home, socket_of
from media_streamer.wire.media import EGRESS_SIDE, FromMedia, Subscribe, Unsubscribe
from media_streamer.wire.stream_config import apply_stream

FORMATS = ("ts", "flv", "rtp", "hls_ts", "hls_fmp4")


class Viewers:
    """Of one egress worker, who take what comes."""

    def on_message(self, message: FromMedia) -> None: ...

    def on_closed(self, reason: str) -> None: ...


async def come_and_go(worker: MediaWorker, number: int) -> "weakref.ref[StreamRunner]":
    """A stream with viewers; who leaves first is another one each time."""
    name = f"s{number}"
    config = StreamConfig.model_validate({"name": name, "inputs": [{"url": "publish://"}]})
    await worker._apply(apply_stream(config, {}))
    runner = worker.find(name)
    assert runner is not None
    channel = await connect(
        socket_of(worker.runtime, "media", "0"), EGRESS_SIDE, Viewers(), timeout_seconds=30
    )
    for place, form in enumerate(FORMATS, 1):
        channel.send(Subscribe(place, name, form, (), False, True, 0))
    async with asyncio.timeout(30):
        while runner.subscribers < len(FORMATS):  # noqa: ASYNC110 - the other end does it
            await asyncio.sleep(0.01)
    if number % 2:
        for place in range(1, len(FORMATS) + 1):
            channel.send(Unsubscribe(place))
    if number % 3:
        await channel.close()
    await worker._remove(RemoveStream(name))
    await channel.close()
    return weakref.ref(runner)


async def test_nothing_is_left_of_streams_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_SEGMENTS_DIR", str(tmp_path))
    worker = MediaWorker(tmp_path, "0")
    make_home(tmp_path, "media", "0")
    server = await listen(socket_of(tmp_path, "media", "0"), lambda: Relay(worker).channel)
    try:
        gone = [await come_and_go(worker, number) for number in range(6)]

        def left() -> list[str]:
            gc.collect()
            return [runner.name for one in gone if (runner := one()) is not None]

        async with asyncio.timeout(30):
            while left():  # noqa: ASYNC110 - tasks of theirs come to their end
                await asyncio.sleep(0.05)
        assert not worker._deliveries._due
        assert not worker._deliveries._delivered
    finally:
        server.close()
        worker.playbacks.close()
        worker.pictures.close()
        await worker._recordings.close()
