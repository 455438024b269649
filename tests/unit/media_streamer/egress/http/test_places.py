"""Places of an address: who waits comes before who comes, and none is lost or counted twice."""

import asyncio

import pytest
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http import places
from media_streamer.egress.http.places import Places

IP, OTHER = "192.0.2.1", "192.0.2.2"


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def held(them: Places, order: list[str], name: str, go: asyncio.Event) -> "asyncio.Task[None]":
    async def hold() -> None:
        async with them.one(IP):
            order.append(name)
            await go.wait()

    return asyncio.create_task(hold())


async def test_each_address_has_its_own() -> None:
    them = Places(2)
    assert [them.take(IP), them.take(IP), them.take(IP), them.take(OTHER)] == [True] * 2 + [
        False,
        True,
    ]
    them.give(IP)
    assert them.take(IP)
    for ip in (IP, IP, OTHER):
        them.give(ip)
    assert len(them) == 0


async def test_a_network_of_ipv6_is_one_address() -> None:
    them = Places(1)
    assert them.take("2001:db8::1")
    assert not them.take("2001:db8::2")
    assert them.take("2001:db8:0:1::1")


async def test_who_waits_comes_before_who_comes() -> None:
    them, order, go = Places(1), list[str](), asyncio.Event()
    tasks = [held(them, order, name, go) for name in "abc"]
    await settle()
    assert order == ["a"]
    assert not them.take(IP)
    go.set()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    assert len(them) == 0


async def test_who_gives_up_leaves_nothing() -> None:
    them, order, go = Places(1), list[str](), asyncio.Event()
    first, second, third = (held(them, order, name, go) for name in "abc")
    await settle()
    second.cancel()
    await asyncio.wait([second])
    go.set()
    await asyncio.gather(first, third)
    assert order == ["a", "c"]
    assert len(them) == 0


async def test_a_place_that_came_too_late_is_the_next_ones() -> None:
    them, order, go = Places(1), list[str](), asyncio.Event()
    assert them.take(IP)
    second, third = (held(them, order, name, go) for name in "bc")
    await settle()
    them.give(IP)  # the second has it, and is ended before it knows
    second.cancel()
    go.set()
    await asyncio.wait([second, third])
    assert order == ["c"]
    assert len(them) == 0


async def test_who_gives_up_keeps_nobody_waiting() -> None:
    them, order, go = Places(1), list[str](), asyncio.Event()
    assert them.take(IP)
    second = held(them, order, "b", go)
    await settle()
    second.cancel()  # it is told so in the next turn only
    them.give(IP)
    assert them.take(IP)
    await asyncio.wait([second])
    assert order == []
    them.give(IP)
    assert len(them) == 0


async def test_the_wait_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "WAIT_SECONDS", 0.01)
    them = Places(1)
    assert them.take(IP)
    with pytest.raises(AccessDenied) as refused:
        async with them.one(IP):
            pass
    assert refused.value.status == 503
    them.give(IP)
    assert len(them) == 0
