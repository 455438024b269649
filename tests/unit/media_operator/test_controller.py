"""The loop of plans and writes: how it ends, and how long it waits for a server in trouble."""

import asyncio
import contextlib
from typing import Any

import pytest
from media_kube.client import KubeClient
from media_operator.apply import Outcome, Writer
from media_operator.controller import RETRY_SECONDS, Controller
from media_operator.planner.actions import Plan
from media_operator.settings import Settings

LIMIT_SECONDS = 30.0


class Rounds(Writer):
    """Writes nothing; `outcome` is what came of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(KubeClient.__new__(KubeClient))
        self.outcome = outcome
        self.planned = asyncio.Event()

    async def carry_out(self, plan: Plan) -> Outcome:
        self.planned.set()
        return self.outcome


@pytest.mark.parametrize("turns", range(6))
async def test_a_replica_that_lost_the_lease_stops_whatever_changes_just_then(turns: int) -> None:
    rounds = Rounds(Outcome())
    controller = Controller(Settings(), rounds)
    body: dict[str, Any] = {
        "kind": "Pod",
        "metadata": {"namespace": "ns", "name": "p", "uid": "u", "labels": {}},
    }
    running = asyncio.create_task(controller.run())
    await asyncio.wait_for(rounds.planned.wait(), LIMIT_SECONDS)
    for _ in range(10):
        await asyncio.sleep(0)  # it waits for changes now
    controller.picture.put(body)
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=1)
    ended = running.done()
    while not running.done():
        running.cancel()
        await asyncio.wait([running], timeout=1)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert ended, "it goes on without the Lease"


async def test_the_last_pause_is_short_enough_for_a_failover(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    done = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 20:
            done.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("media_operator.controller.asyncio.sleep", pause)
    running = asyncio.create_task(Controller(Settings(), Rounds(Outcome(failed=1))).run())
    await asyncio.wait([asyncio.create_task(done.wait())], timeout=LIMIT_SECONDS)
    running.cancel()
    await asyncio.wait([running])
    assert len(pauses) == 20
    assert RETRY_SECONDS[0] <= pauses[0] < pauses[2] < pauses[4]
    assert max(pauses) <= 12.0
