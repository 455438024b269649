"""The worker process: its control channel, its life, several streams at once."""

import asyncio
from pathlib import Path

import pytest
from media_api.status import StreamStats
from media_streamer.wire.control import RemoveStream
from media_streamer.wire.homes import socket_of
from media_streamer.wire.media import MEDIA_SIDE, Chunk, End, PublishedBytes


def thread_count(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


async def test_a_fake_stream_runs_and_reports(worker) -> None:
    await worker.apply("demo", "fake://fake")
    stats = await worker.running("demo")
    parsed = StreamStats.model_validate(stats)
    assert parsed.alive
    assert parsed.bytes_in > 0
    assert stats["inputs"][0]["active"]
    assert [t["codec"] for t in stats["inputs"][0]["media_info"]["tracks"]] == ["h264", "aac"]
    assert worker.named("demo", "source_opened")
    assert worker.named("demo", "source_started")
    await worker.until(lambda: worker.heartbeats >= 2)


async def test_a_worker_whose_supervisor_stays_away_exits(worker) -> None:
    worker._server.close()
    await worker.peer.channel.close()
    assert await asyncio.wait_for(worker.process.wait(), 60) == 0


async def test_one_encoder_serves_all_fake_streams(worker) -> None:
    for number in range(20):
        await worker.apply(f"s{number}", "fake://fake")
    for number in range(20):
        await worker.running(f"s{number}")
    assert thread_count(worker.process.pid) < 20


async def test_removing_a_stream_ends_its_subscriptions(worker) -> None:
    await worker.apply("gone", "fake://fake")
    feed = await worker.subscribe(1, "gone", "flv")
    await worker.until(lambda: feed.of(Chunk))
    await worker.peer.call(RemoveStream("gone"))
    await worker.until(lambda: feed.of(End))
    assert feed.of(End)[0].reason == "stream_removed"


@pytest.mark.parametrize(
    ("stream", "form", "reason"),
    [("none", "flv", "not_found"), ("off", "flv", "disabled")],
)
async def test_a_subscription_that_cannot_be_is_ended(worker, stream, form, reason) -> None:
    await worker.apply("off", "fake://fake", disabled=True)
    feed = await worker.subscribe(7, stream, form)
    await worker.until(lambda: feed.of(End))
    assert feed.of(End)[0].reason == reason


async def test_broken_messages_end_their_channel_alone(worker) -> None:
    await worker.apply("alive", "fake://fake")
    feed = await worker.subscribe(1, "alive", "ts")
    await worker.until(lambda: feed.of(Chunk))
    await worker.send(PublishedBytes(99, b"nobody has this number"))
    for sent in (b"GET / HTTP/1.1\r\n\r\n", MEDIA_SIDE.preamble + b"\0\0\0\x02\x91\xa1"):
        reader, writer = await asyncio.open_unix_connection(socket_of(worker.runtime, "media", "0"))
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 10) == MEDIA_SIDE.preamble
        writer.close()
    seen = len(feed.of(Chunk))
    await worker.until(lambda: len(feed.of(Chunk)) > seen + 5)
    assert worker.log.count("the channel is closed") == 2
