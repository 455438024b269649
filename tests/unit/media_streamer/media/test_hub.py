"""Chunks: joined between flushes, never across a key frame, replayed from the last one."""

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media import hub
from media_streamer.media.frame import Frame
from media_streamer.media.gop import Boundary, Entry
from media_streamer.media.hub import ChunkHub, Event, Subscribers
from media_streamer.media.settings import OutputSettings


def entry(data: bytes, key: bool = False) -> Entry:
    boundary = Boundary.KEY if key else Boundary.NONE
    return Entry(Frame(0, 0, 0, 0, key, data), data, boundary)


def hub_of(header: bytes, audio_only: bool = False, name: str = "s") -> ChunkHub:
    made = ChunkHub(OutputSettings(name, Path("/nowhere")))
    made.set_tracks([], header, audio_only)
    return made


def chunks(events: list[Event]) -> list[tuple[bool, bytes]]:
    return [(message["key"], data) for message, data in events if message["op"] == "chunk"]


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
            assert replayed[0] == ({"op": "header"}, b"head")
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
    assert len(chunks(made.replay())) == hub.AUDIO_CACHE_CHUNKS


def test_new_header_and_gap_clear_the_cache() -> None:
    made = hub_of(b"one")
    made.push([entry(b"K", key=True)])
    made.set_tracks([], b"two", audio_only=False)
    made.push([entry(b"f")])
    ops = [(message["op"], data) for message, data in made.take()]
    assert ops == [("header", b"one"), ("chunk", b"K"), ("gap", b""), ("header", b"two"),
                   ("chunk", b"f")]  # fmt: skip
    assert made.replay() == [({"op": "header"}, b"two")]


def test_key_of_a_track_that_is_left_out_counts() -> None:
    made = hub_of(b"")
    made.push([entry(b"", key=True)])
    made.push([entry(b"sound")])
    assert chunks(made.take()) == [(True, b"sound")]


def test_output_that_nobody_takes_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub, "MAX_PENDING_BYTES", 1000)
    made = hub_of(b"head", name="live/x")
    made.push([entry(b"K" * 600, key=True)])
    made.push([entry(b"f" * 600)])
    made.push([entry(b"f" * 600)])
    assert [message["op"] for message, _ in made.take()] == ["header", "gap"]
    assert "stream live/x" in caplog.text
    made.push([entry(b"K", key=True)])
    assert chunks(made.take()) == [(True, b"K")]


def test_sinks_get_messages_of_their_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    subscribers = Subscribers("s", "ts")
    assert subscribers.idle_seconds >= 0
    got: list[dict[str, Any]] = []

    def sink(message: dict[str, Any], payload: bytes) -> None:
        message["id"] = len(got)
        got.append(message)

    first, second = subscribers.add(sink), subscribers.add(sink)
    assert subscribers.idle_seconds == 0.0
    shared: dict[str, Any] = {"op": "gap"}
    subscribers.deliver([(shared, b"")])
    subscribers.deliver([(shared, b"")], second)
    assert [message["id"] for message in got] == [0, 1, 2]
    assert shared == {"op": "gap"}
    subscribers.remove(first)
    assert len(subscribers) == 1
    subscribers.remove(second)
    subscribers.remove(second)
    subscribers.deliver([(shared, b"")])
    assert len(got) == 3
    assert not caplog.records


def test_a_sink_that_fails_is_dropped_and_told() -> None:
    subscribers = Subscribers("s", "ts")
    told: list[str] = []

    def fail(_message: dict[str, Any], _payload: bytes) -> None:
        raise ConnectionError("gone")

    got: list[dict[str, Any]] = []
    subscribers.add(fail, lambda: told.append("failed"))
    subscribers.add(lambda message, _payload: got.append(message))
    subscribers.deliver([({"op": "gap"}, b"")])
    subscribers.deliver([({"op": "gap"}, b"")])
    assert told == ["failed"]
    assert len(got) == 2
    assert len(subscribers) == 1
