"""Chunks: joined between flushes, never across a key frame, replayed from the last one."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media import subscribers
from media_streamer.media.frame import Frame
from media_streamer.media.gop import Boundary, Entry
from media_streamer.media.settings import OutputSettings
from media_streamer.media.subscribers import ChunkHub, Subscribers
from media_streamer.wire.media import Chunk, Event, Gap, Header


def entry(data: bytes, key: bool = False) -> Entry:
    boundary = Boundary.KEY if key else Boundary.NONE
    return Entry(Frame(0, 0, 0, 0, key, data), data, boundary)


def hub_of(header: bytes, audio_only: bool = False, name: str = "s") -> ChunkHub:
    made = ChunkHub(OutputSettings(name, Path("/nowhere")))
    made.set_tracks([], header, audio_only)
    return made


def chunks(events: Sequence[Event]) -> list[tuple[bool, bytes]]:
    found = [event for event in events if isinstance(event, Chunk)]
    return [(chunk.key, b"".join(chunk.packets)) for chunk in found]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_chunks_hold_every_byte_once_and_end_at_keys(steps: list[tuple[bool, bool]]) -> None:
    made = hub_of(b"head")
    pushed, taken = b"", []
    for index, (key, flush) in enumerate(steps):
        data = (b"K" if key else b"f") + bytes((index,))
        pushed += data
        made.push([entry(data, key)])
        if flush:
            taken += made.take()
            replayed = made.replay()
            assert replayed[0] == Header(b"head")
            since = b"".join(data for _, data in chunks(replayed))
            assert pushed.endswith(since)
            assert not since or (since.startswith(b"K") and since.count(b"K") == 1)
    taken += made.take()
    assert b"".join(data for _, data in chunks(taken)) == pushed
    for key, data in chunks(taken):
        assert data.startswith(b"K") == key
        assert b"K" not in data[2::2]


def test_every_chunk_of_sound_alone_is_a_start() -> None:
    made = hub_of(b"head", audio_only=True)
    for index in range(100):
        made.push([entry(bytes((index,)), key=index % 25 == 0)])
        found = chunks(made.take())
        assert [key for key, _ in found] == [True]
    kept = bytes(range(100 - subscribers.AUDIO_CACHE_CHUNKS, 100))
    assert chunks(made.replay()) == [(True, kept)]


def test_new_header_and_gap_clear_the_cache() -> None:
    made = hub_of(b"one")
    made.push([entry(b"K", key=True)])
    made.set_tracks([], b"two", audio_only=False)
    made.push([entry(b"f")])
    key, other = Chunk(True, [b"K"]), Chunk(False, [b"f"])
    assert made.take() == [Header(b"one"), key, Gap(), Header(b"two"), other]
    assert made.replay() == [Header(b"two")]


def test_key_of_a_track_that_is_left_out_counts() -> None:
    made = hub_of(b"")
    made.push([entry(b"", key=True)])
    made.push([entry(b"sound")])
    assert chunks(made.take()) == [(True, b"sound")]


def test_output_that_nobody_takes_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subscribers, "MAX_PENDING_BYTES", 1000)
    made = hub_of(b"head", name="live/x")
    made.push([entry(b"K" * 600, key=True)])
    made.push([entry(b"f" * 600)])
    made.push([entry(b"f" * 600)])
    assert made.take() == [Header(b"head"), Gap()]
    assert "stream live/x" in caplog.text
    made.push([entry(b"K", key=True)])
    assert chunks(made.take()) == [(True, b"K")]


def test_every_sink_gets_the_same_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    subscribers = Subscribers("s", "ts")
    assert subscribers.idle_seconds >= 0
    got: list[Sequence[Event]] = []
    first, second = subscribers.add(got.append), subscribers.add(got.append)
    assert subscribers.idle_seconds == 0.0
    shared = [Gap()]
    subscribers.deliver(shared)
    subscribers.deliver(shared, second)
    subscribers.deliver([])
    assert [events is shared for events in got] == [True] * 3
    subscribers.remove(first)
    assert len(subscribers) == 1
    subscribers.remove(second)
    subscribers.remove(second)
    subscribers.deliver(shared)
    assert len(got) == 3
    assert not caplog.records


def test_a_sink_that_fails_is_dropped_and_told() -> None:
    subscribers = Subscribers("s", "ts")
    told: list[str] = []

    def fail(_events: Sequence[Event]) -> None:
        raise ConnectionError("gone")

    got: list[Sequence[Event]] = []
    subscribers.add(fail, lambda: told.append("failed"))
    subscribers.add(got.append)
    subscribers.deliver([Gap()])
    subscribers.deliver([Gap()])
    assert told == ["failed"]
    assert len(got) == 2
    assert len(subscribers) == 1
