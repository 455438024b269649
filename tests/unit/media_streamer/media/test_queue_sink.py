"""Sinks that are read by threads: in order, bounded, and the stream goes on without them."""

import threading
from pathlib import Path

import pytest
from media_streamer.media.audience import Audience
from media_streamer.media.frame import Frame, Track
from media_streamer.media.output import StreamOutput
from media_streamer.media.queue_sink import QueueSink
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import Chunk, Event, Frames, Gap, Header

SOUND = Track(0, "a1", "audio", "aac", b"", "mp4a.40.2")


def test_a_thread_reads_in_order_until_the_end() -> None:
    sink, read = QueueSink(), list[Event]()

    def reader() -> None:
        while not sink.ended or sink._events:
            read.extend(sink.read(10))

    thread = threading.Thread(target=reader)
    thread.start()
    given: list[Event] = [Header(b"h"), *(Chunk(True, [bytes((n,))]) for n in range(100)), Gap()]
    for event in given:
        sink.take([event])
    sink.end("stream_removed")
    thread.join(10)
    assert read == given
    assert sink.read(0.0) == []


def test_one_that_is_not_read_is_bounded_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    audience = Audience(lambda: None)
    output = StreamOutput(OutputSettings("live/x", Path("/nowhere")))
    audience.start(output)
    output.set_tracks([SOUND])
    stuck, good = QueueSink(max_bytes=50_000), QueueSink()
    audience.attach("frames", stuck.take, stuck.end, pinned=True)
    audience.attach("frames", good.take, good.end)
    frames = 0
    for number in range(200):
        dts = 90_000 + number * 1920
        output.push([Frame(0, dts, dts, 1920, True, bytes(1000))])
        output.flush()
        frames += sum(len(e.frames) for e in good.read(0) if isinstance(e, Frames))
    assert stuck.ended == "sink_failed"
    assert stuck._bytes == 0
    assert frames == 200
    assert len(audience) == 1
    assert "stream live/x" in caplog.text
    assert "bytes wait for the reader" in caplog.text
    audience.attach("frames", stuck.take, stuck.end)
    assert stuck.read(0), "a fresh state"
