"""What a task does whose connection breaks off as it is cancelled."""

import asyncio
import contextlib

from media_central.db import raise_if_cancelled


async def test_a_cancellation_that_became_an_error_ends_the_task() -> None:
    errors, failed = 0, asyncio.Event()

    async def statement() -> None:
        with contextlib.suppress(asyncio.CancelledError):  # as a driver whose clean-up fails
            await asyncio.sleep(60 if errors else 0)
        raise OSError("the connection is closed")

    async def work() -> None:
        nonlocal errors
        while True:
            try:
                await statement()
            except OSError as error:
                raise_if_cancelled(error)
                errors += 1
                failed.set()

    task = asyncio.create_task(work())
    await asyncio.wait_for(failed.wait(), 5)  # an error of its own is no end
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()
    assert errors == 1
