"""Waiting for changes, with an end."""

import asyncio
import functools
from collections.abc import Callable

import pytest
from media_streamer.presentation.waiting import Arrivals, Waiters


async def test_it_ends_when_the_condition_holds() -> None:
    waiters, state = Waiters(), [0]
    waiting = asyncio.create_task(waiters.wait(lambda: state[0] >= 2, 20))
    for _ in range(2):
        await asyncio.sleep(0)
        assert not waiting.done()
        state[0] += 1
        waiters.wake()
    assert await waiting is True
    assert await waiters.wait(lambda: True, 0) is True


async def test_it_ends_after_its_time() -> None:
    waiters = Waiters()
    assert await waiters.wait(lambda: False, 0.01) is False
    assert not waiters._waiters


async def test_what_came_in_the_last_moment_counts() -> None:
    waiters, state = Waiters(), [0]

    def late() -> bool:
        state[0] += 1
        return state[0] > 1

    assert await waiters.wait(late, 0.001) is True


async def test_whoever_leaves_is_forgotten() -> None:
    waiters = Waiters()
    waiting = asyncio.create_task(waiters.wait(lambda: False, 20))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not waiters._waiters
    waiters.wake()


async def test_all_who_wait_for_the_same_are_called_once() -> None:
    arrivals, state, looked, told = Arrivals(), [0], [0], list[tuple[int, bool]]()

    def condition() -> bool:
        looked[0] += 1
        return state[0] > 0

    def back(number: int, came: bool) -> None:
        told.append((number, came))

    forget = [
        arrivals.call("part", condition, 30, functools.partial(back, number)) for number in range(4)
    ]
    arrivals.look()
    assert (looked, told) == ([1], []), "once for all"
    forget[1]()
    state[0] = 1
    arrivals.look()
    assert told == [], "in a turn of its own"
    forget[2]()
    await asyncio.sleep(0)
    assert told == [(0, True), (3, True)]
    assert not len(arrivals)
    arrivals.look()
    for one in forget:
        one()
    await asyncio.sleep(0)
    assert len(told) == 2


async def test_one_who_fails_or_leaves_in_the_turn_holds_nobody_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    arrivals, told, forget = Arrivals(), list[int](), list[Callable[[], None]]()

    def back(number: int, _: bool) -> None:
        told.append(number)
        if number == 0:
            forget[2]()
            raise ValueError("the first one fails")
        if number == 1:  # it waits for the same again: that is another group
            arrivals.call("part", lambda: False, 30, functools.partial(back, 9))

    forget += [
        arrivals.call("part", lambda: True, 30, functools.partial(back, number))
        for number in range(4)
    ]
    arrivals.look()
    await asyncio.sleep(0)
    assert told == [0, 1, 3]
    assert len(arrivals) == 1
    assert "the first one fails" in caplog.text


async def test_what_does_not_come_in_time_is_told() -> None:
    arrivals, told = Arrivals(), asyncio.Queue[bool]()
    arrivals.call("part", lambda: False, 0.001, told.put_nowait)
    async with asyncio.timeout(30):
        assert await told.get() is False
    assert not len(arrivals)


async def test_nobody_waits_when_the_last_one_has_left() -> None:
    arrivals = Arrivals()
    first = arrivals.call("part", lambda: False, 30, lambda _: None)
    second = arrivals.call("part", lambda: False, 30, print)
    first()
    assert len(arrivals) == 1
    second()
    assert not len(arrivals)
