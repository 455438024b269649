"""Queue and resending of an event sink, with a receiver that can be away."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from media_api.events import EventSinkConfig
from media_streamer.supervisor.events import sink as module
from media_streamer.supervisor.events.backlog import Backlog
from media_streamer.supervisor.events.sink import DeliveryError, EventSink


class Receiver:
    """Takes batches, or refuses them."""

    def __init__(self) -> None:
        self.away = False
        self.batches: list[list[int]] = []
        self.came = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def deliver(self, batch: list[dict[str, Any]]) -> None:
        self.came.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.away:
            raise DeliveryError("the receiver is away")
        self.batches.append([event["event_id"] for event in batch])

    @property
    def taken(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


def config(**options: Any) -> EventSinkConfig:
    return EventSinkConfig.model_validate({"name": "s", "url": "http://127.0.0.1/", **options})


def put(sink: EventSink, *numbers: int) -> None:
    for number in numbers:
        sink.put({"event": "e", "event_id": number})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is counted, not told
            await asyncio.sleep(0.001)


async def reached(receiver: Receiver, count: int) -> None:
    await until(lambda: len(receiver.taken) >= count)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


async def test_batches_are_bounded_and_in_order(receiver: Receiver) -> None:
    sink = EventSink(config(), receiver)
    put(sink, *range(250))
    await reached(receiver, 250)
    assert [len(batch) for batch in receiver.batches] == [100, 100, 50]
    assert receiver.taken == list(range(250))
    await sink.close()
    assert sink.counters() == {"resent_events": 0, "dropped_events": 0}


async def test_what_was_not_taken_is_sent_again(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RESEND_SECONDS", 0.01)
    caplog.set_level("INFO")
    receiver.away = True
    sink = EventSink(config(), receiver)
    put(sink, 1, 2)
    await until(lambda: sink.counters()["resent_events"] >= 4)
    assert sink.problem == "the receiver is away"
    put(sink, 3)
    receiver.away = False
    await reached(receiver, 3)
    await sink.close()
    assert receiver.taken == [1, 2, 3]
    assert sink.problem == ""
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"], "one line each"


async def test_the_oldest_gives_way_when_the_queue_is_full(receiver: Receiver) -> None:
    receiver.hold = asyncio.Event()
    sink = EventSink(config(resend_limit=3), receiver)
    put(sink, 1, 2, 3)
    await receiver.came.wait()
    put(sink, 4, 5, 6, 7)  # 1, 2 and 3 gave way, but they were on their way; 4 is lost
    receiver.hold.set()
    await reached(receiver, 6)
    assert receiver.taken == [1, 2, 3, 5, 6, 7]
    assert sink.counters()["dropped_events"] == 1
    await sink.close()


async def test_throttling_collects(receiver: Receiver) -> None:
    sink = EventSink(config(throttle_delay=600), receiver)
    put(sink, 1, 2)
    await asyncio.sleep(0.02)
    assert receiver.batches == []
    put(sink, *range(3, 101))  # a full batch does not wait
    await reached(receiver, 100)
    assert len(receiver.batches) == 1
    put(sink, 101)
    await sink.close()
    assert receiver.taken[-1] == 101, "the rest is delivered at the end"


async def test_the_end_does_not_wait_for_a_receiver_that_hangs(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    receiver.hold = asyncio.Event()
    sink = EventSink(config(), receiver)
    put(sink, 1)
    await receiver.came.wait()
    async with asyncio.timeout(5):
        await sink.close()
    assert sink.counters()["dropped_events"] == 1
    assert "1 events were not delivered" in caplog.text


async def test_what_is_on_its_way_at_the_end_is_not_sent_twice(receiver: Receiver) -> None:
    receiver.hold = asyncio.Event()
    sink = EventSink(config(), receiver)
    put(sink, 1, 2)
    await receiver.came.wait()
    put(sink, 3)
    closing = asyncio.create_task(sink.close())
    await asyncio.sleep(0)
    receiver.hold.set()
    await closing
    assert receiver.batches == [[1, 2], [3]]


async def test_a_receiver_that_is_away_gets_all_from_the_disk_also_after_a_restart(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESEND_SECONDS", 0.01)
    monkeypatch.setattr(module, "MEMORY_EVENTS", 50)
    receiver.away = True
    sink = EventSink(config(), receiver, Backlog(tmp_path / "s"))
    for number in range(300):
        put(sink, number)
        if number % 40 == 39:
            await until(lambda: not sink._waiting)
    await sink.close()
    assert sink.counters()["dropped_events"] == 0
    receiver.away = False
    other = EventSink(config(), receiver, Backlog(tmp_path / "s"))
    put(other, 300)
    await reached(receiver, 301)
    assert receiver.taken == list(range(301))
    put(other, 301)
    await reached(receiver, 302)
    await other.close()
    assert list((tmp_path / "s").glob("*.jsonl")) == []


async def test_without_room_on_disk_the_newest_wait_in_memory(
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "RESEND_SECONDS", 0.01)
    monkeypatch.setattr(module, "MEMORY_EVENTS", 3)
    (tmp_path / "s").write_text("in the way of the directory")
    receiver.away = True
    sink = EventSink(config(), receiver, Backlog(tmp_path / "s"))
    put(sink, 1)
    await until(lambda: sink.counters()["resent_events"] >= 2)
    put(sink, 2, 3, 4, 5)
    receiver.away = False
    await reached(receiver, 3)
    assert receiver.taken == [3, 4, 5]
    assert sink.counters()["dropped_events"] == 2
    assert caplog.text.count("cannot be kept on disk") == 1
    await sink.close()


async def test_an_hour_without_the_receiver_loses_nothing(
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The hour passes by a clock that the sink's own pauses move."""
    clock, attempts = [0.0], 0

    async def passes(seconds: float) -> None:
        nonlocal attempts
        clock[0] += seconds
        if clock[0] % 6 < seconds and clock[0] < 3600:
            put(sink, int(clock[0]))
        await real_sleep(0)

    real_sleep, deliver = asyncio.sleep, receiver.deliver

    async def counted(batch: list[dict[str, Any]]) -> None:
        nonlocal attempts
        attempts += 1
        receiver.away = clock[0] < 3600
        await deliver(batch)

    monkeypatch.setattr(receiver, "deliver", counted)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": passes}))
    sink = EventSink(config(), receiver, Backlog(tmp_path / "s"))
    put(sink, 0)
    async with asyncio.timeout(60):
        while not receiver.taken or sink._waiting or len(sink._backlog or ()):
            await real_sleep(0)
    assert attempts < 400, "an attempt each ten seconds, and then batches"
    assert sorted(receiver.taken) == receiver.taken
    assert len(receiver.taken) > 500
    assert sink.counters()["dropped_events"] == 0
    away = [line for line in caplog.messages if "the receiver is away" in line]
    assert len(away) == 1
    await sink.close()
