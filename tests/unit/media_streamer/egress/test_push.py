"""What every push does, whatever protocol carries it."""

import asyncio
import time
from typing import Any, cast

import pytest
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import IDLE_SECONDS, Push
from media_streamer.wire.control import Job


def push(config: bytes) -> Push:
    return Push(cast(Any, None), Work(Job("1", "live", "tshttp", "push", "a push", config, 1, 1)))


class Delivered:
    """A delivery that is still there."""

    def __init__(self) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self.why = ""

    def detach(self, why: str) -> None:
        self.why = why


class Silent:
    """A broadcast whose last data came a while ago."""

    def __init__(self, seconds: float) -> None:
        self.last_data = time.monotonic() - seconds
        self.delivered = Delivered()

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
