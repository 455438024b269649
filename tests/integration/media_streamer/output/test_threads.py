"""A thread puts frames in while the loop thread subscribes, flushes, asks and reconfigures."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from media_streamer.media import output as output_module
from media_streamer.media.formats import FORMATS
from media_streamer.media.inbox import Inbox
from media_streamer.wire.media import Event, SegmentReady
from msgspec.structs import replace

from tests.support.clips import Clip, read_clip

from .conftest import Collector, bytes_of
from .ts_checker import check_ts

X264 = ("-s", "320x180", "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2")
AAC = ("-sc_threshold", "0", "-c:a", "aac", "-ac", "2")
ROUNDS, LONG_ROUNDS = 3, 12
"""Of subscribing and leaving."""


@pytest.fixture
def clip(encode: Callable[..., Path]) -> Clip:
    return read_clip(encode("mp4", *X264, *AAC))


def test_subscribers_that_come_and_go_all_get_clean_streams(
    clip: Clip, collect: Callable[..., Collector], pytestconfig: pytest.Config
) -> None:
    collector = collect(segment_count=3)
    output = collector.output
    inbox = Inbox("live/test")
    inbox.set_tracks(clip.tracks)
    inbox.drain(output)
    failures: list[BaseException] = []
    wanted, enough = threading.Event(), threading.Event()

    def produce() -> None:
        """As fast as the frames are taken, until it is enough."""
        try:
            for turn in itertools.count():
                while not wanted.wait(0.1):
                    if enough.is_set():
                        return
                wanted.clear()
                for frame in clip.shifted(turn * 31 * 9000).frames:
                    inbox.push([frame])
                    time.sleep(0)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    streams: list[list[bytes]] = []
    numbers: list[list[int]] = []
    for _ in range(LONG_ROUNDS if pytestconfig.getoption("--long") else ROUNDS):
        payloads: list[bytes] = []
        msns: list[int] = []

        def ts(events: Sequence[Event], into: list[bytes] = payloads) -> None:
            into.extend(map(bytes_of, events))

        def hls(events: Sequence[Event], into: list[int] = msns) -> None:
            found = [event for event in events if isinstance(event, SegmentReady)]
            into.extend(event.msn for event in found if event.track == "v1")

        open_now = [output.subscribe("ts", ts), output.subscribe("hls_fmp4", hls)]
        open_now += [output.subscribe(name, lambda events: None) for name in FORMATS]
        for _ in range(20):
            wanted.set()
            inbox.drain(output)
            output.flush()
            output.stats()
            time.sleep(0.001)
        for subscription in open_now:
            subscription.close()
        streams.append(payloads)
        numbers.append(msns)
    enough.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert failures == []
    for payloads in streams:
        assert check_ts(b"".join(payloads)).problems == []
    for msns in numbers:
        assert msns == list(range(msns[0], msns[0] + len(msns))) if msns else True
    assert any(numbers)


def test_format_that_nobody_wants_stops_and_starts_again(
    clip: Clip, collect: Callable[..., Collector], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = collect()
    output = collector.output
    output.set_tracks(clip.tracks)
    collector.push(clip.frames)
    paths: list[Path] = []

    def sink(events: Sequence[Event]) -> None:
        paths.extend(Path(event.path) for event in events if isinstance(event, SegmentReady))

    subscriptions = [output.subscribe(name, sink) for name in FORMATS]
    assert paths
    monkeypatch.setattr(output_module, "IDLE_SECONDS", 0.0)
    output.flush()
    assert set(output.stats().subscribers) == set(FORMATS), "in use"
    for subscription in subscriptions:
        subscription.close()
    time.sleep(0.001)
    output.flush()
    assert output.stats().subscribers == {}
    assert not any(path.exists() for path in paths)
    paths.clear()
    output.subscribe("hls_ts", sink)
    output.push([replace(clip.frames[-1], dts=clip.frames[-1].dts + 1)])
    assert paths
    assert all(path.exists() for path in paths)


def test_a_closed_output_gives_what_it_has_and_takes_nothing(
    clip: Clip, collect: Callable[..., Collector]
) -> None:
    collector = collect()
    collector.output.set_tracks(clip.tracks)
    collector.subscribe(*FORMATS)
    collector.push(clip.frames)
    segments = len(collector.of("hls_fmp4", SegmentReady))
    collector.output.close()
    assert len(collector.of("hls_fmp4", SegmentReady)) > segments, "the one under way, too"
    told = {name: len(messages) for name, messages in collector.messages.items()}
    collector.push(clip.shifted(400_000).frames)
    with pytest.raises(ValueError, match="stopped"):
        collector.output.subscribe("flv", lambda events: None)
    collector.output.close()
    assert {name: len(messages) for name, messages in collector.messages.items()} == told
