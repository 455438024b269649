"""When streams deliver: in the wake-up that brought frames, else together and seldom."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from media_streamer.media import deliveries as module
from media_streamer.media.deliveries import Deliveries


class Stream:
    name = "live"

    def __init__(self, *, interval: float = 0.04, is_polled: bool = False) -> None:
        self.interval = interval
        self.is_polled = is_polled
        self.is_busy = True
        self.flushed: list[float] = []
        self.fails = False
        self.tell: Callable[[], None] | None = None

    def tell_of_frames(self, back: Callable[[], None] | None) -> None:
        self.tell = back

    def flush(self) -> None:
        self.flushed.append(asyncio.get_running_loop().time())
        if self.fails:
            raise RuntimeError("boom")


async def until(condition: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + 30
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


@pytest.fixture
async def deliveries() -> AsyncIterator[Deliveries]:
    made = Deliveries()
    yield made
    made.close()
    assert made._timer is None


async def test_frames_of_a_publisher_go_on_in_the_wake_up_that_brought_them(
    deliveries: Deliveries,
) -> None:
    stream = Stream()
    deliveries.arrived(stream)
    assert len(stream.flushed) == 1
    assert deliveries._timer is None, "nothing to wake up for"


async def test_what_comes_sooner_is_gathered(deliveries: Deliveries) -> None:
    stream = Stream(interval=0.2)
    for _ in range(5):
        deliveries.arrived(stream)
    assert len(stream.flushed) == 1
    await until(lambda: len(stream.flushed) == 2)
    assert stream.flushed[1] - stream.flushed[0] >= 0.17
    assert not deliveries._due


async def test_threads_are_looked_at_in_turns(deliveries: Deliveries) -> None:
    one, other = Stream(is_polled=True), Stream(is_polled=True, interval=0.08)
    deliveries.consider(one)
    deliveries.consider(other)
    await until(lambda: len(one.flushed) > 4)
    assert other.flushed
    assert len(other.flushed) < len(one.flushed)
    one.is_busy = other.is_busy = False
    await until(lambda: not deliveries._due)


async def test_threads_tell_of_frames_that_somebody_waits_for(deliveries: Deliveries) -> None:
    stream = Stream(is_polled=True, interval=module.PROMPT_SECONDS)
    deliveries.consider(stream)
    for count in range(1, 9):
        assert stream.tell is not None
        stream.tell()
        assert len(stream.flushed) == count, "in that very wake-up"
    stream.interval = 0.04
    deliveries.consider(stream)
    assert stream.tell is None
    stream.interval = module.PROMPT_SECONDS
    deliveries.consider(stream)
    deliveries.forget(stream)
    assert stream.tell is None


async def test_many_streams_that_somebody_waits_for_are_looked_at_in_turns(
    deliveries: Deliveries,
) -> None:
    interval = module.PROMPT_SECONDS
    streams = [Stream(is_polled=True, interval=interval) for _ in range(module.MAX_PROMPT + 1)]
    for stream in streams:
        deliveries.consider(stream)
    assert [stream.tell is not None for stream in streams] == [True] * module.MAX_PROMPT + [False]
    await until(lambda: len(streams[-1].flushed) > 1)
    streams[0].is_busy = False
    deliveries.consider(streams[0])
    await until(lambda: streams[-1].tell is not None)
    deliveries.close()
    assert not any(stream.tell for stream in streams)


async def test_a_sink_in_a_hurry_is_heard_at_once(deliveries: Deliveries) -> None:
    stream = Stream(interval=300.0)
    deliveries.arrived(stream)
    deliveries.arrived(stream)
    stream.interval = 0.04
    deliveries.consider(stream)
    await until(lambda: len(stream.flushed) == 2)


async def test_nothing_is_delivered_that_nobody_takes(deliveries: Deliveries) -> None:
    stream = Stream()
    stream.is_busy = False
    deliveries.arrived(stream)
    deliveries.consider(stream)
    assert not stream.flushed
    assert not deliveries._due


async def test_a_stream_that_fails_harms_no_other(
    deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = Stream(is_polled=True), Stream(is_polled=True)
    broken.fails = True
    deliveries.consider(broken)
    deliveries.consider(sound)
    await until(lambda: len(sound.flushed) > 1)
    assert "live: delivering failed" in caplog.text
