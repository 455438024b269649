"""How long somebody who asks for a stream that sleeps is kept waiting."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from media_central.rest import balance
from media_central.rest.context import Context
from media_central.store.port import Kind, Record

LOOKS = 3
POD = SimpleNamespace(hostname="pod-0", online=True, config={})


class Cluster:
    """Of one stream, which sleeps, and a pod that viewers reach from the look of `told_at` on."""

    def __init__(self, told_at: int) -> None:
        self.looks = 0
        self._told_at = told_at
        self.record: Record | None = Record(
            Kind.STREAM, "cam", {"name": "cam"}, {"ingest": "pod-0"}, 1, 0, 0
        )
        self.waking: set[object] = set()
        parts: dict[str, Any] = {"store": self, "fleet": self, "waker": self}
        self.context = cast(Context, SimpleNamespace(waking=self.waking, **parts))

    def get(self, _: Kind, __: str) -> Record | None:
        self.looks += 1
        return self.record

    def links(self) -> list[Any]:
        return [POD]

    def sleeps(self, _: str) -> bool:
        return True

    def is_told(self, _: str) -> bool:
        return self.looks >= self._told_at

    async def wake(self, _: str) -> None:
        assert len(self.waking) == 1


async def woken(cluster: Cluster) -> list[Any]:
    return list(await balance._woken(cluster.context, "cam", publishes=False))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance, "WAKE_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(balance, "WAKE_SECONDS", LOOKS * 0.001)


@pytest.mark.parametrize("told_at", range(1, LOOKS + 1))
async def test_what_any_look_finds_is_answered(told_at: int) -> None:
    cluster = Cluster(told_at)
    assert (await woken(cluster), cluster.looks) == ([POD], told_at)
    assert not cluster.waking


async def test_after_the_last_look_nobody_waits_on() -> None:
    cluster = Cluster(LOOKS + 1)
    assert (await woken(cluster), cluster.looks) == ([], LOOKS)
    assert not cluster.waking


async def test_a_stream_that_is_deleted_meanwhile_is_waited_for_no_more() -> None:
    cluster = Cluster(1)
    cluster.record = None
    assert (await woken(cluster), cluster.looks) == ([], 1)
