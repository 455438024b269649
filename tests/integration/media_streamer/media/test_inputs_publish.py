"""Publishers: bytes that an egress worker relays, good and bad."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from media_streamer.wire.media import (
    Accepted,
    Chunk,
    End,
    Publish,
    PublishedBytes,
    PublishEnd,
    Refused,
)


@pytest.fixture(scope="session")
def footage(ffmpeg: str, bunny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Three passes of the footage in both containers of publishers."""
    made: dict[str, bytes] = {}
    directory = tmp_path_factory.mktemp("footage")
    for container, muxer in (("flv", "flv"), ("ts", "mpegts")):
        path = directory / container
        copy = ["-stream_loop", "2", "-i", str(bunny), "-c", "copy", "-f", muxer, str(path)]
        subprocess.run([ffmpeg, "-v", "error", *copy], check=True, timeout=60)
        made[container] = path.read_bytes()
    return made


async def send(worker, number: int, data: bytes, *, seconds: float = 0.0, piece: int = 20_000):
    """Relay `data` in pieces, evenly over `seconds`."""
    count = max(1, len(data) // piece)
    for start in range(0, len(data), piece):
        await worker.send(PublishedBytes(number, data[start : start + piece]))
        if seconds:
            await asyncio.sleep(seconds / count)


async def publish(worker, number: int, stream: str, container: str):
    await worker.send(Publish(number, stream, container, "192.0.2.7", "t"))
    feed = worker.feed(number)
    await worker.until(lambda: feed.messages)
    return feed


@pytest.mark.parametrize("container", ["flv", "ts"])
async def test_the_first_picture_comes_quickly(worker, footage, container) -> None:
    await worker.apply("pub", "publish://")
    player = await worker.subscribe(2, "pub", "ts")
    feed = await publish(worker, 1, "pub", container)
    assert feed.of(Accepted)
    # The first key frame is 105 kB; some frames more and no end: nothing may wait for the rest.
    await send(worker, 1, footage[container][:150_000])
    await worker.until(lambda: player.of(Chunk), 3)
    stats = await worker.running("pub")
    assert stats["published_from"] == "192.0.2.7"
    assert [t["codec"] for t in stats["inputs"][0]["media_info"]["tracks"]] == ["h264", "aac"]


async def test_a_second_publisher_is_refused_until_the_first_leaves(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    assert (await publish(worker, 1, "pub", "flv")).of(Accepted)
    await send(worker, 1, footage["flv"][:200_000])
    await worker.running("pub")
    second = await publish(worker, 2, "pub", "flv")
    assert second.of(Refused) == [Refused(2, "already_published")]
    await worker.send(PublishEnd(1))
    await worker.until(lambda: worker.stats["pub"]["status"] != "running")
    assert (await publish(worker, 3, "pub", "flv")).of(Accepted)
    await send(worker, 3, footage["flv"][:200_000])
    await worker.running("pub")
    assert worker.stats["pub"]["input"]["input_switches"] == 1


async def test_a_publisher_that_breaks_off_inside_a_packet(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "flv")
    await send(worker, 1, footage["flv"][:123_457])
    await worker.send(PublishEnd(1))
    await worker.until(lambda: "the publisher left" in worker.log)
    await worker.until(lambda: worker.stats.get("pub", {}).get("status") == "waiting")
    assert "source_error" not in worker.stats["pub"]
    await publish(worker, 2, "pub", "flv")
    await send(worker, 2, footage["flv"][:300_000])
    await worker.running("pub")


@pytest.mark.parametrize("container", ["flv", "ts"])
@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n" * 5000, bytes(100_000)], ids=["text", "0"]
)
async def test_garbage_is_refused_with_a_reason(worker, container, garbage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", container)
    await send(worker, 1, garbage)
    await worker.until(lambda: worker.feed(1).of(End), 5)
    assert worker.feed(1).of(End)[0].reason
    assert "pub: input publish://" in worker.log
    await publish(worker, 2, "pub", container)


@pytest.mark.parametrize("container", ["flv", "ts"])
async def test_damage_in_the_middle_does_not_end_the_stream(worker, footage, container) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", container)
    data = bytearray(footage[container])
    for position in range(len(data) // 4, len(data) // 2, 50_000):
        data[position : position + 16] = b"\xa5" * 16
    await send(worker, 1, bytes(data), piece=100_000)
    await worker.running("pub")
    before = worker.stats["pub"]["input"]["frames"]
    assert before > 50


async def test_a_publisher_without_audio_starts_soon(
    worker, launch, ffmpeg, bunny, tmp_path
) -> None:
    silent = tmp_path / "silent.flv"
    made = await launch(ffmpeg, "-v", "error", "-i", str(bunny), "-an", "-c", "copy", str(silent))
    assert await made.wait() == 0
    data = bytearray(silent.read_bytes())
    data[4] = 5  # the header announces audio and video, as RTMP relays do before they know
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "flv")
    await send(worker, 1, bytes(data), seconds=5)
    stats = await worker.running("pub", 1)
    assert [t["codec"] for t in stats["inputs"][0]["media_info"]["tracks"]] == ["h264"]


async def test_a_stream_without_publish_input_refuses(worker) -> None:
    await worker.apply("pull", "fake://fake")
    feed = await publish(worker, 1, "pull", "flv")
    assert feed.of(Refused)[0].code == "not_publishable"
    feed = await publish(worker, 2, "nowhere", "flv")
    assert feed.of(Refused)[0].code == "not_found"


async def test_a_publisher_that_floods_is_cut_off(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "flv")
    header = footage["flv"][:13]
    # A tag that never ends: the demuxer waits for its 16 MB while more and more arrives.
    await send(worker, 1, header + b"\x09\xff\xff\xff" + bytes(40_000_000), piece=1_000_000)
    await worker.until(lambda: worker.feed(1).of(End))


async def test_a_publisher_takes_over_from_a_file_and_gives_back(worker, footage, bunny) -> None:
    worker.vods = {"vod": [str(bunny.parent)]}
    await worker.apply("mix", "publish://", "file://vod/bigbuckbunny.mp4")
    await worker.running("mix")
    assert worker.stats["mix"]["inputs"][1]["active"]
    await publish(worker, 1, "mix", "ts")
    await send(worker, 1, footage["ts"][:1_000_000])
    await worker.until(lambda: worker.stats["mix"]["inputs"][0]["active"])
    await worker.send(PublishEnd(1))
    await worker.until(lambda: worker.stats["mix"]["inputs"][1]["active"])
    assert worker.stats["mix"]["input"]["input_switches"] == 2


async def test_a_key_frame_that_comes_late_still_describes_the_video(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "ts")
    # Begins behind the first key frame; the next one comes after 5 s of footage.
    begin = 188 * 800
    await send(worker, 1, footage["ts"][begin : begin + 1_500_000])
    stats = await worker.running("pub")
    await worker.until(lambda: len(worker.stats["pub"]["inputs"][0]["media_info"]["tracks"]) == 2)
    assert stats["status"] == "running"
