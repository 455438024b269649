"""What a peer sends is taken as fast as it may come, whatever it sends."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from media_streamer import budgets
from media_streamer.egress.allowance import HeldBytes
from media_streamer.egress.reading import ReadGate
from media_streamer.protocols.rtmp.chunks import (
    SET_CHUNK_SIZE,
    VIDEO,
    ChunkError,
    Message,
    write_control,
    write_event,
    write_message,
)
from media_streamer.protocols.rtmp.intake import Intake

PING = write_event(6, 1)


class Wire(asyncio.Transport):
    """Counts whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads
        self.reads = True


class Peer:
    def __init__(self, held: HeldBytes | None = None) -> None:
        self.wire = Wire()
        self.gate = ReadGate(self.wire)
        self.taken: list[Message] = []
        self.on_take: Callable[[], None] = lambda: None
        account = (held or HeldBytes(1 << 30)).open("192.0.2.1")
        self.intake = Intake("192.0.2.1:1", self.gate, account, self.take)
        self.gate.go_on = lambda: self.intake.feed(b"")

    def take(self, messages: list[Message]) -> None:
        self.taken += messages
        self.on_take()


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for is a timer's work
            await asyncio.sleep(0.01)


async def test_a_flood_of_pings_is_taken_slowly_and_not_read_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = Peer()
    with caplog.at_level(logging.WARNING):
        peer.intake.feed(PING * 160)
        assert len(peer.taken) == budgets.RTMP_COST_AT_ONCE
        assert not peer.wire.reads
        await wait_for(lambda: len(peer.taken) == 160)
        await wait_for(lambda: peer.wire.reads)
    assert len(caplog.records) == 1


async def test_messages_without_bytes_and_control_messages_cost_too() -> None:
    empty = write_message(VIDEO, b"") + b"\xc3" * 60_000
    peer = Peer()
    peer.intake.let_publish()
    peer.intake.feed(empty)
    assert len(peer.taken) == budgets.RTMP_PUBLISHER_MESSAGES_AT_ONCE
    assert not peer.wire.reads
    other = Peer()
    other.intake.feed(write_control(SET_CHUNK_SIZE, 4096) * 3000 + PING)
    assert not other.taken
    assert not other.wire.reads
    for one in (peer, other):
        one.intake.close()


async def test_large_messages_cost_more() -> None:
    peer = Peer()
    large = write_message(VIDEO, bytes(60_000), chunk_bytes=128)
    peer.intake.feed(large * 4)
    assert 1 <= len(peer.taken) <= 3
    peer.intake.close()


async def test_nothing_is_taken_while_reading_is_forbidden() -> None:
    peer = Peer()
    peer.on_take = lambda: peer.gate.hold("access")
    peer.intake.feed(PING * 3)
    assert len(peer.taken) == 1, "what comes behind waits for the decision"
    peer.on_take = lambda: None
    peer.gate.release("access")
    assert len(peer.taken) == 3
    assert peer.wire.reads


async def test_an_address_may_hold_no_more_than_its_share() -> None:
    held = HeldBytes(100_000)
    begun = write_message(VIDEO, bytes(1 << 16), chunk_bytes=128)[: 11 + 400 * 129]
    Peer(held).intake.feed(begun)
    second = Peer(held)
    with pytest.raises(ChunkError, match="of its address"):
        second.intake.feed(begun)
    second.intake.close()
    assert held.total("192.0.2.1") == pytest.approx(400 * 128, rel=0.02)


async def test_who_is_closed_is_not_taken_from() -> None:
    peer = Peer()
    peer.on_take = lambda: setattr(peer.wire, "closing", True)
    peer.intake.feed(PING * 3)
    assert len(peer.taken) == 1
    peer.gate.release("access")
    assert len(peer.taken) == 1
