"""What every push does, whatever protocol carries it."""

import asyncio
import time
from typing import Any, cast

import pytest
from media_process.seldom import Seldom
from media_streamer.egress.jobs import CALM_LOOKS, TOO_SLOW, JobFailed, Work
from media_streamer.egress.push import IDLE_SECONDS, Push
from media_streamer.wire.control import Job


def push(config: bytes) -> Push:
    return Push(cast(Any, None), Work(Job("1", "live", "tshttp", "push", "a push", config, 1, 1)))


class Delivered:
    """A delivery that is still there."""

    def __init__(self) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self.why = ""
        self.skipping = False

    def detach(self, why: str) -> None:
        self.why = why


class Silent:
    """A broadcast whose last data came a while ago."""

    def __init__(self, seconds: float) -> None:
        self.last_data = time.monotonic() - seconds
        self.delivered = Delivered()

    def deliver(self, *_: object, **__: object) -> Delivered:
        return self.delivered


class Lively:
    """One that has just had data, whenever somebody looks."""

    def __init__(self) -> None:
        self.delivered = Delivered()
        self._looks = asyncio.Queue[None]()

    @property
    def last_data(self) -> float:
        self._looks.put_nowait(None)
        return time.monotonic()

    async def looked_at(self, times: int) -> None:
        while not self._looks.empty():
            self._looks.get_nowait()
        async with asyncio.timeout(30):
            for _ in range(times):
                await self._looks.get()

    def deliver(self, *_: object, **__: object) -> Delivered:
        return self.delivered


async def test_a_stream_without_data_ends_the_push_after_its_timeout() -> None:
    assert push(b'{"url": "tshttp://h/x"}').idle_seconds == IDLE_SECONDS
    one = push(b'{"url": "tshttp://h/x", "timeout": 1}')
    broadcast = Silent(seconds=2)
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with pytest.raises(JobFailed, match="no data"):
        async with asyncio.timeout(30):
            await one.send(cast(Any, broadcast), cast(Any, None), lost)
    assert broadcast.delivered.why == "push ended"


def test_a_receiver_that_is_too_slow_is_told_while_it_is(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(Job("1", "live", "tshttp", "push", "a push", b"{}", 1, 1))
    now = 0.0
    work._seldom = Seldom(now=lambda: now)
    line = f"stream live: a push: {TOO_SLOW}"

    def looks(*lags: bool) -> list[str]:
        told = []
        for one in lags:
            work.lags(one)
            told.append(work.report().error)
        return told

    calm = [False] * CALM_LOOKS
    for _ in range(5):
        assert looks(True, False, True) == [TOO_SLOW] * 3
    assert caplog.text.count(line) == 1, "it is the same all the time"
    assert looks(*calm) == [TOO_SLOW] * (CALM_LOOKS - 1) + [""]
    assert looks(True, *calm)[-1] == ""
    assert caplog.text.count(line) == 1, "said in this minute"
    now = 61
    assert looks(True) == [TOO_SLOW]
    assert caplog.text.count(line) == 2
    assert "(1 more like it were not logged)" in caplog.text
    work.error = "network is unreachable"
    assert set(looks(True, False)) == {"network is unreachable"}
    work.error = ""
    assert looks(False) == [TOO_SLOW], "what is worse is over, this is not"
    work.works()
    assert looks(False) == [""], "another attempt"


async def test_who_waits_for_the_first_key_frame_does_not_lag() -> None:
    one = push(b'{"url": "tshttp://h/x"}')
    one.idle_seconds = 0.1
    broadcast = Lively()
    broadcast.delivered.skipping = True
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    sending = asyncio.create_task(one.send(cast(Any, broadcast), cast(Any, None), lost))
    work, told = one._work, []
    for dropped, skipping, looks in ((0, True, 2), (1, True, 6), (1, False, 4)):
        work.account.dropped_gops = dropped
        broadcast.delivered.skipping = skipping
        await broadcast.looked_at(looks)
        told.append(work.error)
    assert told == ["", TOO_SLOW, ""]
    lost.set_result("gone")
    with pytest.raises(JobFailed, match="gone"):
        await sending


async def test_who_loses_groups_between_the_looks_lags_all_the_time() -> None:
    one = push(b'{"url": "tshttp://h/x"}')
    one.idle_seconds = 0.1
    broadcast = Lively()
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    sending = asyncio.create_task(one.send(cast(Any, broadcast), cast(Any, None), lost))
    work, told = one._work, []
    await broadcast.looked_at(1)
    for looks in (1, 3, 3, 4):
        work.account.dropped_gops += 1
        await broadcast.looked_at(looks)
        told.append(work.error)
    assert told == [TOO_SLOW] * 4
    await broadcast.looked_at(1)
    assert work.error == ""
    lost.set_result("gone")
    with pytest.raises(JobFailed, match="gone"):
        await sending
