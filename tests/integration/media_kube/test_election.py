"""Leader election by a Lease in a real API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from media_kube import client as kube
from media_kube import election
from media_kube.client import KubeClient
from media_kube.election import Election

LIMIT_SECONDS = 20.0
LEASE_NAME = "some-duty"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "LEASE_SECONDS", 3)
    monkeypatch.setattr(election, "RENEW_DEADLINE_SECONDS", 2.0)
    monkeypatch.setattr(election, "RENEW_SECONDS", 0.5)
    monkeypatch.setattr(election, "RETRY_SECONDS", 0.2)


class Replica:
    """An Election that notes when it leads."""

    def __init__(self, client: KubeClient, namespace: str, identity: str) -> None:
        self.election = Election(client, namespace, LEASE_NAME, identity)
        self.leads = asyncio.Event()
        self.ended = asyncio.Event()
        self.task = asyncio.create_task(self.election.run(self._lead))

    async def _lead(self) -> None:
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leads.clear()
            self.ended.set()

    async def wait_leads(self) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.leads.wait()

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def start(kube_client: KubeClient, namespace: str) -> AsyncIterator[Callable[[str], Replica]]:
    started: list[Replica] = []

    def begin(identity: str) -> Replica:
        started.append(Replica(kube_client, namespace, identity))
        return started[-1]

    yield begin
    for replica in started:
        await replica.stop()


async def holder(client: KubeClient, namespace: str) -> str:
    lease = await client.get(kube.LEASE, namespace, LEASE_NAME)
    return str(lease["spec"]["holderIdentity"])


async def test_one_of_two_leads_and_goes_on(
    start: Callable[[str], Replica], kube_client: KubeClient, namespace: str
) -> None:
    both = start("a"), start("b")
    done, _ = await asyncio.wait(
        [asyncio.create_task(one.leads.wait()) for one in both],
        timeout=LIMIT_SECONDS,
        return_when=asyncio.FIRST_COMPLETED,
    )
    assert done
    winner, loser = both if both[0].leads.is_set() else both[::-1]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(election.LEASE_SECONDS * 1.5):
            await loser.leads.wait()
    assert winner.leads.is_set()
    assert await holder(kube_client, namespace) == winner.election._identity
    # The losers of this wait are ended with their replicas.
    winner.leads.set()
    loser.leads.set()


async def test_a_replica_that_stops_renewing_is_replaced_after_it_stopped_leading(
    start: Callable[[str], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start("a")
    await first.wait_leads()
    second = start("b")

    async def hang() -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(first.election, "_take", hang)
    await second.wait_leads()
    assert not first.leads.is_set(), "never two leaders"


async def test_a_replica_whose_lease_was_taken_stops_at_once(
    start: Callable[[str], Replica], kube_client: KubeClient, namespace: str
) -> None:
    first = start("a")
    await first.wait_leads()
    spec = {"spec": {"holderIdentity": "b", "leaseDurationSeconds": 60}}
    await kube_client.merge(kube.LEASE, namespace, LEASE_NAME, spec)
    async with asyncio.timeout(1.5):  # below the deadline for renewals
        await first.ended.wait()
    assert await holder(kube_client, namespace) == "b"


async def test_a_released_lease_is_taken_at_once(
    start: Callable[[str], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(election, "LEASE_SECONDS", 3600)  # nobody waits for its end
    first = start("a")
    await first.wait_leads()
    second = start("b")
    await first.stop()
    assert not first.leads.is_set()
    await first.election.release()
    await second.wait_leads()
