"""A piece goes to many viewers in turns, between which the loop does other things."""

import asyncio

import pytest
from media_streamer.egress.turns import VIEWERS_A_TURN
from media_streamer.wire.media import Gap

from .broadcast_bench import Bench

MANY = 3 * VIEWERS_A_TURN + 5


@pytest.fixture
async def bench():
    bench = Bench()
    bench.header(b"H")
    bench.chunk(b"K", key=True)
    yield bench
    bench.broadcast.close("test is over")


def send(bench: Bench, data: bytes, *, key: bool = False) -> None:
    bench.chunk(data, key=key)
    bench.broadcast._flush()


async def test_others_have_their_turn_before_all_viewers_are_written_to(bench):
    transports = [bench.attach(str(number))[0] for number in range(MANY)]
    seen: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(told(transports, b"p")))
    send(bench, b"p")
    while told(transports, b"p") < MANY:
        seen.append(told(transports, b"p"))
        await asyncio.sleep(0)
    assert seen[:2] == [VIEWERS_A_TURN, VIEWERS_A_TURN], "who asked meanwhile waited for a part"
    assert all(transport.bytes == b"HKp" for transport in transports)


async def test_a_second_piece_never_overtakes_the_first_one(bench):
    transports = [bench.attach(str(number))[0] for number in range(MANY)]
    for data in (b"p", b"q", b"r"):
        send(bench, data)
    await settled(transports, b"HKpqr")


async def test_who_comes_and_goes_between_two_turns(bench):
    there = [bench.attach(str(number)) for number in range(MANY)]
    send(bench, b"p")
    late, _ = bench.attach("late")
    transport, gone = there[-1]
    gone.detach("left")
    send(bench, b"q")
    await settled([one for one, _ in there[:-1]], b"HKpq")
    assert late.bytes == b"HKpq", "each piece once"
    assert transport.bytes == b"HK", "nothing after the goodbye"


@pytest.mark.parametrize("way", ["header", "gap", "close"])
async def test_what_ends_a_piece_comes_after_it(bench, way):
    transports = [bench.attach(str(number))[0] for number in range(MANY)]
    send(bench, b"p")
    match way:
        case "header":
            bench.header(b"N")
        case "gap":
            bench.tell(Gap())
        case "close":
            bench.broadcast.close("over")
    wanted = b"HKpN" if way == "header" else b"HKp"
    assert all(transport.bytes == wanted for transport in transports)


def told(transports, data: bytes) -> int:
    """How many were sent the piece."""
    return sum(data in transport.bytes for transport in transports)


async def settled(transports, wanted: bytes) -> None:
    for _ in range(MANY):
        await asyncio.sleep(0)  # a turn of the loop
    assert all(transport.bytes == wanted for transport in transports)
