"""Work that costs is done once, and what it gave is kept within a bound."""

import asyncio

import pytest
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.kept import Kept


async def test_work_is_done_once_for_all_who_ask_and_kept_within_a_bound() -> None:
    kept: Kept[int, bytes] = Kept(100, len)
    made = []

    async def work() -> bytes:
        made.append(1)
        await asyncio.sleep(0)
        return bytes(40)

    first = await asyncio.gather(*(kept.make(1, work) for _ in range(5)))
    assert (len(made), len(set(map(id, first)))) == (1, 1)
    await kept.make(2, work)
    await kept.make(3, work)
    assert [kept.get(n) is not None for n in (1, 2, 3)] == [False, True, True]


async def test_work_that_fails_is_tried_again() -> None:
    kept: Kept[int, bytes] = Kept(100, len)

    async def fails() -> bytes:
        raise AccessDenied(503, "x", "y")

    async def works() -> bytes:
        return b"z"

    with pytest.raises(AccessDenied):
        await kept.make(1, fails)
    assert await kept.make(1, works) == b"z"
