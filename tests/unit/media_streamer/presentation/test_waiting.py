"""Waiting for changes, with an end."""

import asyncio

from media_streamer.presentation.waiting import Waiters


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
