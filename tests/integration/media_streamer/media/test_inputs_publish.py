"""Publishers: what an egress worker relays of them, frames or a transport stream, good and bad."""

import asyncio
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from media_streamer.protocols.flv.reader import FlvReader
from media_streamer.wire.media import (
    Accepted,
    Chunk,
    End,
    FromEgress,
    Publish,
    PublishedBytes,
    PublishedFrame,
    PublishedFrames,
    PublishedTracks,
    PublishEnd,
    Refused,
    TrackSetup,
)

from tests.support.flv_tags import read_tags

FORMS = ("frames", "ts")


class Outbox:
    """Gathers what the FLV reader finds as the messages of publisher 1."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.messages: list[FromEgress] = []
        self.reader = FlvReader(self)

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        self.messages.append(PublishedTracks(self.number, tracks, complete))

    def frames(self, frames: list[PublishedFrame]) -> None:
        self.messages += [PublishedFrames(self.number, [frame]) for frame in frames]


def as_messages(form: str, data: bytes, number: int = 1, piece: int = 20_000) -> list[FromEgress]:
    """What an egress worker makes of a publisher's bytes: FLV tags or a transport stream."""
    if form == "ts":
        pieces = range(0, len(data), piece)
        return [PublishedBytes(number, data[start : start + piece]) for start in pieces]
    outbox = Outbox(number)
    for kind, stamp, body in read_tags(data):
        if kind != 18:
            outbox.reader.take(kind, stamp, body)
        outbox.reader.flush()
    return outbox.messages


@pytest.fixture(scope="session")
def footage(ffmpeg: str, bunny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Three passes of the footage in both containers of publishers."""
    made: dict[str, bytes] = {}
    directory = tmp_path_factory.mktemp("footage")
    for form, muxer in (("frames", "flv"), ("ts", "mpegts")):
        path = directory / form
        copy = ["-stream_loop", "2", "-i", str(bunny), "-c", "copy", "-f", muxer, str(path)]
        subprocess.run([ffmpeg, "-v", "error", *copy], check=True, timeout=60)
        made[form] = path.read_bytes()
    return made


async def send(worker, messages: Sequence[FromEgress], seconds: float = 0.0) -> None:
    """Relay messages, evenly over `seconds`."""
    for message in messages:
        await worker.send(message)
        if seconds:
            await asyncio.sleep(seconds / len(messages))


async def publish(worker, number: int, stream: str, form: str):
    await worker.send(Publish(number, stream, form, "192.0.2.7", "t"))
    feed = worker.feed(number)
    await worker.until(lambda: feed.messages)
    return feed


@pytest.mark.parametrize("form", FORMS)
async def test_the_first_picture_comes_quickly(worker, footage, form) -> None:
    await worker.apply("pub", "publish://")
    player = await worker.subscribe(2, "pub", "ts")
    feed = await publish(worker, 1, "pub", form)
    assert feed.of(Accepted)
    # The first key frame is 105 kB; some frames more and no end: nothing may wait for the rest.
    await send(worker, as_messages(form, footage[form][:150_000]))
    await worker.until(lambda: player.of(Chunk), 3)
    stats = await worker.running("pub")
    assert stats["published_from"] == "192.0.2.7"
    assert [t["codec"] for t in stats["inputs"][0]["media_info"]["tracks"]] == ["h264", "aac"]


async def test_a_second_publisher_is_refused_until_the_first_leaves(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    assert (await publish(worker, 1, "pub", "frames")).of(Accepted)
    start = footage["frames"][:200_000]
    await send(worker, as_messages("frames", start))
    await worker.running("pub")
    second = await publish(worker, 2, "pub", "frames")
    assert second.of(Refused) == [Refused(2, "already_published")]
    await worker.send(PublishEnd(1))
    await worker.until(lambda: worker.stats["pub"]["status"] != "running")
    assert (await publish(worker, 3, "pub", "frames")).of(Accepted)
    await send(worker, as_messages("frames", start, 3))
    await worker.running("pub")
    assert worker.stats["pub"]["input"]["input_switches"] == 1


@pytest.mark.parametrize("form", FORMS)
async def test_a_publisher_that_breaks_off_is_replaced(worker, footage, form) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", form)
    await send(worker, as_messages(form, footage[form][:123_457]))
    await worker.send(PublishEnd(1))
    await worker.until(lambda: "the publisher left" in worker.log)
    await worker.until(lambda: worker.stats.get("pub", {}).get("status") == "waiting")
    assert "source_error" not in worker.stats["pub"]
    await publish(worker, 2, "pub", form)
    await send(worker, as_messages(form, footage[form][:300_000], 2))
    await worker.running("pub")


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n" * 5000, bytes(100_000)], ids=["text", "0"]
)
async def test_garbage_is_refused_with_a_reason(worker, garbage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "ts")
    await send(worker, as_messages("ts", garbage))
    await worker.until(lambda: worker.feed(1).of(End), 5)
    assert worker.feed(1).of(End)[0].reason
    await worker.until(lambda: "pub: input publish://" in worker.log)
    await publish(worker, 2, "pub", "ts")


async def test_frames_of_codecs_that_cannot_be_are_refused_with_a_reason(worker) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "frames")
    setups = [TrackSetup(0, "video", "flv1", b"", 1000), TrackSetup(1, "audio", "speex", b"", 1000)]
    await worker.send(PublishedTracks(1, setups, True))
    await worker.until(lambda: worker.feed(1).of(End), 5)
    assert "supported codec: flv1, speex" in worker.feed(1).of(End)[0].reason
    await worker.until(lambda: "track 0 (flv1) is left out" in worker.log)


async def test_frames_that_are_no_pictures_do_no_harm(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "frames")
    setups = [
        TrackSetup(0, "video", "h264", os.urandom(40), 1000),
        TrackSetup(1, "audio", "aac", b"\x12\x10", 1000),
    ]
    await worker.send(PublishedTracks(1, setups, True))
    noise = [
        PublishedFrame(n % 3, 40 * n, 40 * n - 99, not n % 5, os.urandom(n)) for n in range(400)
    ]
    await worker.send(PublishedFrames(1, noise))
    await worker.running("pub")
    await worker.until(lambda: "track 0 (h264) is left out" in worker.log)
    # And the same publisher may yet say it right.
    await send(worker, as_messages("frames", footage["frames"][:300_000]))
    inputs = worker.stats["pub"]["inputs"]
    await worker.until(lambda: len(worker.stats["pub"]["inputs"][0]["media_info"]["tracks"]) == 2)
    assert inputs[0]["retries"] == 0


@pytest.mark.parametrize("form", FORMS)
async def test_damage_in_the_middle_does_not_end_the_stream(worker, footage, form) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", form)
    data = bytearray(footage[form])
    if form == "ts":
        for position in range(len(data) // 4, len(data) // 2, 50_000):
            data[position : position + 16] = b"\xa5" * 16
        messages = as_messages(form, bytes(data), piece=100_000)
    else:
        messages = [_damaged(m, n) for n, m in enumerate(as_messages(form, bytes(data)))]
    await send(worker, messages)
    await worker.running("pub")
    before = worker.stats["pub"]["input"]["frames"]
    assert before > 50


def _damaged(message: FromEgress, number: int) -> FromEgress:
    """Every tenth frame with other bytes at its start."""
    if not isinstance(message, PublishedFrames) or number % 10 or number < 20:
        return message
    (frame,) = message.frames
    data = b"\xa5" * 16 + frame.data[16:]
    broken = PublishedFrame(frame.track, frame.dts, frame.pts, frame.key, data)
    return PublishedFrames(message.id, [broken])


async def test_a_publisher_without_audio_starts_soon(
    worker, launch, ffmpeg, bunny, tmp_path
) -> None:
    silent = tmp_path / "silent.flv"
    made = await launch(ffmpeg, "-v", "error", "-i", str(bunny), "-an", "-c", "copy", str(silent))
    assert await made.wait() == 0
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "frames")
    messages = as_messages("frames", silent.read_bytes())
    assert not any(m.complete for m in messages if isinstance(m, PublishedTracks))
    await send(worker, messages, seconds=3)
    stats = await worker.running("pub", 1)
    assert [t["codec"] for t in stats["inputs"][0]["media_info"]["tracks"]] == ["h264"]


async def test_a_stream_without_publish_input_refuses(worker) -> None:
    await worker.apply("pull", "fake://fake")
    feed = await publish(worker, 1, "pull", "frames")
    assert feed.of(Refused)[0].code == "not_publishable"
    feed = await publish(worker, 2, "nowhere", "frames")
    assert feed.of(Refused)[0].code == "not_found"


async def test_a_publisher_that_floods_is_cut_off(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "frames")
    await worker.send(PublishedTracks(1, [TrackSetup(0, "video", "h264", b"", 1000)], False))
    # No key frame, nothing that the stream could begin with: all of it waits.
    for number in range(30):
        await worker.send(
            PublishedFrames(1, [PublishedFrame(0, number, number, False, bytes(1_000_000))])
        )
    await worker.until(lambda: worker.feed(1).of(End))
    assert worker.feed(1).of(End)[0].reason == "the publisher is not being read"


async def test_a_publisher_takes_over_from_a_file_and_gives_back(worker, footage, bunny) -> None:
    worker.vods = {"vod": [str(bunny.parent)]}
    await worker.apply("mix", "publish://", "file://vod/bigbuckbunny.mp4")
    await worker.running("mix")
    assert worker.stats["mix"]["inputs"][1]["active"]
    await publish(worker, 1, "mix", "ts")
    await send(worker, as_messages("ts", footage["ts"][:1_000_000]))
    await worker.until(lambda: worker.stats["mix"]["inputs"][0]["active"])
    await worker.send(PublishEnd(1))
    await worker.until(lambda: worker.stats["mix"]["inputs"][1]["active"])
    assert worker.stats["mix"]["input"]["input_switches"] == 2


async def test_a_key_frame_that_comes_late_still_describes_the_video(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "ts")
    # Begins behind the first key frame; the next one comes after 5 s of footage.
    begin = 188 * 800
    await send(worker, as_messages("ts", footage["ts"][begin : begin + 1_500_000]))
    stats = await worker.running("pub")
    await worker.until(lambda: len(worker.stats["pub"]["inputs"][0]["media_info"]["tracks"]) == 2)
    assert stats["status"] == "running"


async def test_frames_before_the_first_key_frame_are_left_out(worker, footage) -> None:
    await worker.apply("pub", "publish://")
    await publish(worker, 1, "pub", "frames")
    messages = as_messages("frames", footage["frames"])
    tracks = [m for m in messages if isinstance(m, PublishedTracks)]
    frames = [m for m in messages if isinstance(m, PublishedFrames)]
    keys = [n for n, m in enumerate(frames) if m.frames[0].key and m.frames[0].track == 0]
    await send(worker, [*tracks, *frames[keys[0] + 1 :]])
    await worker.running("pub")
    await worker.until(lambda: len(worker.stats["pub"]["inputs"][0]["media_info"]["tracks"]) == 2)
