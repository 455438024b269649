"""What is done again and again is done at whole multiples of the clock."""

import asyncio

import pytest
from media_streamer.rounds import next_round, until_round


@pytest.mark.parametrize(
    ("now", "seconds", "left"), [(7.3, 0.5, 0.2), (7.5, 0.5, 0.5), (7.3, 2.0, 0.7), (0.0, 3.0, 3.0)]
)
async def test_the_next_round_is_at_a_multiple(
    now: float, seconds: float, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        found = until_round(seconds)
    assert found == pytest.approx(left)


async def test_sleeping_ends_when_the_round_begins() -> None:
    began = asyncio.get_running_loop().time()
    await next_round(0.05)
    assert asyncio.get_running_loop().time() // 0.05 > (began - 0.001) // 0.05
