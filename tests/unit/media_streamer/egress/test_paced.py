"""Bursts are spread, order is kept, and what waits is counted."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.paced import (
    START_SECONDS,
    STEP_BYTES,
    STEP_SECONDS,
    Cut,
    LastCut,
    PacedSender,
)


class Sender(PacedSender[bytes]):
    """Keeps what was sent; `room` says how many datagrams go out at once."""

    def __init__(self, room: int = 1_000_000) -> None:
        super().__init__()
        self.room = room
        self.steps: list[list[bytes]] = []
        self.missing = 0
        self.all_sent = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.missing += len(data)
        self.all_sent.clear()
        for at in range(0, len(data), 1000):
            self.queue([(len(data[at : at + 1000]), data[at : at + 1000])])
        self.pump()

    def send(self, datagrams: list[bytes]) -> int:
        taken = datagrams[: self.room]
        self.steps.append(taken)
        self.missing -= sum(map(len, taken))
        if not self.missing:
            self.all_sent.set()
        return len(taken)

    @property
    def sent(self) -> bytes:
        return b"".join(part for step in self.steps for part in step)


async def test_what_is_live_goes_at_once() -> None:
    sender = Sender()
    sender.write(bytes(20_000))
    assert len(sender.sent) == 20_000
    assert sender.get_write_buffer_size() == 0


async def test_a_burst_goes_in_steps_and_in_order() -> None:
    sender = Sender()
    data = bytes(n * 7 & 0xFF for n in range(2_000_000))
    sender.write(data)
    assert len(sender.sent) <= STEP_BYTES + 1000
    assert sender.get_write_buffer_size() == len(data) - len(sender.sent)
    sender.write(b"live")
    await asyncio.wait_for(sender.all_sent.wait(), 30)
    assert sender.sent == data + b"live"
    # A large burst takes larger steps: as many as fit the time in which it shall be over.
    assert len(sender.steps) <= START_SECONDS / STEP_SECONDS + 3


async def test_what_there_is_no_room_for_waits() -> None:
    sender = Sender(room=1)
    sender.write(bytes(5000))
    assert sender.get_write_buffer_size() == 4000
    await asyncio.wait_for(sender.all_sent.wait(), 30)
    assert [len(step) for step in sender.steps] == [1] * 5


async def test_a_closed_one_sends_nothing_more() -> None:
    sender = Sender()
    sender.write(bytes(1_000_000))
    before = len(sender.sent)
    sender.close()
    sender.write(b"more")
    await asyncio.sleep(2 * STEP_SECONDS)
    assert len(sender.sent) == before
    assert sender.get_write_buffer_size() == 0
    assert sender.is_closing()


@given(st.lists(st.integers(1, 5000), max_size=30))
def test_nothing_is_lost(sizes: list[int]) -> None:
    async def run() -> None:
        sender = Sender()
        for size in sizes:
            sender.write(bytes(size))
        if sizes:
            await asyncio.wait_for(sender.all_sent.wait(), 30)
        assert len(sender.sent) == sum(sizes)

    asyncio.run(run())


def test_the_same_bytes_are_cut_once_for_all() -> None:
    cuts = list[bytes]()

    def cut(data: bytes) -> Cut[bytes]:
        cuts.append(data)
        return [(2, data[at : at + 2]) for at in range(0, len(data), 2)]

    last, data = LastCut(cut), b"abcd"
    assert last.of(data) is last.of(data)
    assert last.of(data) == [(2, b"ab"), (2, b"cd")]
    assert cuts == [b"abcd"]
    again = bytes(bytearray(data))  # alike, but not the same: another moment's
    assert last.of(again) == last.of(data)
    assert len(cuts) == 3
