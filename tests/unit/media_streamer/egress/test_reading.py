"""Publishers are read in turns: real sockets, and what a turn takes from them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from media_streamer.egress import reading
from media_streamer.egress.reading import ReadGate, Turns

SECONDS = 0.02


class Connection(asyncio.Protocol):
    """A publisher's end in the worker."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.reads: list[int] = []
        self.by_loop = 0
        self.lost = asyncio.Event()
        self.transport: asyncio.Transport
        self.gate: ReadGate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.gate = ReadGate(transport)

    def data_received(self, data: bytes) -> None:
        self.by_loop += 1
        self.take(data)

    def take(self, data: bytes) -> None:
        self.reads.append(len(data))
        self.turns.wait(self.gate, self.take)

    def connection_lost(self, exc: Exception | None) -> None:
        self.turns.leave(self.gate)
        self.lost.set()


async def until(condition: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + 30
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(SECONDS)


@pytest.fixture
async def turns() -> Turns:
    return Turns(SECONDS)


@pytest.fixture
async def connection(turns: Turns) -> AsyncIterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, one = await loop.create_connection(lambda: Connection(turns), sock=ours)
    yield one, theirs
    transport.abort()
    theirs.close()
    await one.lost.wait()


async def test_many_small_messages_are_few_reads(
    connection: tuple[Connection, socket.socket],
) -> None:
    one, theirs = connection
    sent = 0
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(300):
        sent += theirs.send(b"tiny")
        await asyncio.sleep(0.001)
    await until(lambda: sum(one.reads) == sent)
    turns = (loop.time() - began) / SECONDS
    assert len(one.reads) <= turns + 2
    assert one.by_loop == 1, "the first read told that there is a publisher"


async def test_a_silent_publisher_costs_nothing_and_is_heard_again(
    connection: tuple[Connection, socket.socket], turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SILENT_SECONDS", 2 * SECONDS)
    one, theirs = connection
    theirs.send(b"a")
    await until(lambda: one.reads and not turns._readers)
    assert turns._timer is None
    theirs.send(b"b")
    await until(lambda: len(one.reads) == 2)
    assert one.by_loop == 2


async def test_the_end_is_seen(connection: tuple[Connection, socket.socket]) -> None:
    one, theirs = connection
    theirs.send(b"last words")
    theirs.close()
    await asyncio.wait_for(one.lost.wait(), 5)
    assert one.reads == [10]


async def test_the_end_is_seen_long_before_the_next_turn() -> None:
    turns = Turns(300.0)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    _, one = await loop.create_connection(lambda: Connection(turns), sock=ours)
    theirs.send(b"a")
    await until(lambda: one.reads)
    theirs.send(b"last words")
    theirs.close()
    await asyncio.wait_for(one.lost.wait(), 30)
    assert one.reads == [1, 10]
    assert turns._ends is None


async def test_whoever_can_wait_is_read_less_often(
    connection: tuple[Connection, socket.socket], turns: Turns
) -> None:
    one, theirs = connection
    theirs.send(b"a")
    await until(lambda: one.reads)
    turns.pace(one.gate, 100_000 * SECONDS)
    theirs.send(b"b")
    await asyncio.sleep(5 * SECONDS)
    assert one.reads == [1]
    turns.pace(one.gate, SECONDS)
    await until(lambda: len(one.reads) == 2)


async def test_whoever_sends_much_is_read_in_every_turn(
    connection: tuple[Connection, socket.socket], turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "HASTY_BYTES", 10)
    one, theirs = connection
    theirs.send(b"a")
    await until(lambda: one.reads)
    (reader,) = turns._readers.values()
    reader.every = 10**9
    dues: list[int] = []
    reader.take = lambda data: dues.append(reader.due)
    theirs.send(b"b" * 100)
    await until(lambda: dues)
    assert dues[0] % 10**9, "not its own turn but the next one"


async def test_a_reason_against_reading_holds(
    connection: tuple[Connection, socket.socket],
) -> None:
    one, theirs = connection
    theirs.send(b"a")
    await until(lambda: one.reads)
    one.gate.hold("drain")
    theirs.send(b"b")
    await asyncio.sleep(5 * SECONDS)
    assert one.reads == [1]
    one.gate.release("drain")
    await until(lambda: len(one.reads) == 2)


async def test_a_publisher_whose_bytes_break_the_reader_is_closed_alone(
    connection: tuple[Connection, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    one, theirs = connection
    theirs.send(b"a")
    await until(lambda: one.reads)

    def fail(data: bytes) -> None:
        raise RuntimeError("boom")

    next(iter(one.turns._readers.values())).take = fail
    theirs.send(b"b")
    await asyncio.wait_for(one.lost.wait(), 5)
    assert "reading failed, it is cut off" in caplog.text
