"""Where lists end, and how much is under way, from what goes into kopf and what comes out."""

import asyncio
from typing import Any

import pytest
from media_operator.watch import flow as module
from media_operator.watch.flow import Change, Flow, StuckError


class Kind:
    """A Flow, and what it told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.flow = Flow("Stream", self._tell)

    def _tell(self, change: Change) -> None:
        name = change.object["metadata"]["name"] if change.object else ""
        self.told.append((change.type, name))

    def out(self, name: str, type_: str | None = None) -> None:
        self.flow.came_out(type_, body(name))


def body(name: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name}}


def keys(*names: str) -> list[tuple[str, str]]:
    return [("ns", name) for name in names]


@pytest.fixture
def kind() -> Kind:
    return Kind()


async def test_a_list_ends_once_its_last_object_came_out(kind: Kind) -> None:
    await kind.flow.chunk(keys("a", "b"), first=True, last=True)
    kind.out("b")
    assert kind.told == [("begin", ""), ("put", "b")]
    kind.out("a")
    assert kind.told[2:] == [("put", "a"), ("end", "")]


async def test_an_empty_list_ends_at_once(kind: Kind) -> None:
    await kind.flow.chunk([], first=True, last=True)
    assert kind.told == [("begin", ""), ("end", "")]


async def test_a_chunk_waits_for_the_one_before(kind: Kind) -> None:
    await kind.flow.chunk(keys("a"), first=True, last=False)
    second = asyncio.create_task(kind.flow.chunk(keys("b"), first=False, last=True))
    await asyncio.sleep(0)
    assert not second.done()
    kind.out("a")
    await second
    assert ("end", "") not in kind.told, "the second chunk is still in"
    kind.out("b")
    assert kind.told[-1] == ("end", "")


async def test_a_new_list_waits_for_the_events_of_the_watch_before(kind: Kind) -> None:
    await kind.flow.event()
    fresh = asyncio.create_task(kind.flow.chunk([], first=True, last=True))
    await asyncio.sleep(0)
    assert not fresh.done(), "the event would bring back what the list says is gone"
    kind.out("old", "MODIFIED")
    await fresh
    assert kind.told == [("put", "old"), ("begin", ""), ("end", "")]


async def test_a_list_that_broke_off_is_begun_anew(kind: Kind) -> None:
    await kind.flow.chunk(keys("a"), first=True, last=False)
    kind.out("a")
    await kind.flow.chunk(keys("b"), first=True, last=True)
    kind.out("b")
    assert [change for change, _ in kind.told] == ["begin", "put", "begin", "put", "end"]


async def test_deleted_objects_are_removed_and_typed(kind: Kind) -> None:
    told: list[Change] = []
    flow = Flow("Stream", told.append)
    await flow.event()
    flow.came_out("DELETED", body("a"))
    assert told == [Change("remove", "Stream", {"kind": "Stream", **body("a")})]


async def test_an_event_waits_for_the_one_before(kind: Kind) -> None:
    """kopf would tell of both in any order where they are of different UIDs."""
    await kind.flow.event()
    second = asyncio.create_task(kind.flow.event())
    await asyncio.sleep(0)
    assert not second.done()
    kind.out("a", "DELETED")
    await second


async def test_an_event_waits_for_the_list_before(kind: Kind) -> None:
    await kind.flow.chunk(keys("a", "b"), first=True, last=True)
    event = asyncio.create_task(kind.flow.event())
    kind.out("a")
    await asyncio.sleep(0)
    assert not event.done()
    kind.out("b")
    await event


async def test_what_kopf_holds_back_for_long_is_an_error(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.01)
    await kind.flow.event()
    with pytest.raises(StuckError, match="1 Stream objects"):
        await kind.flow.chunk([], first=True, last=True)
