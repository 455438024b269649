"""Frames over a real Unix socket: whole, bounded, and closed by whatever does not belong there."""

import asyncio
import logging

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_streamer.wire import channel, encoding
from media_streamer.wire.channel import Channel, ChannelClosed
from media_streamer.wire.media import (
    EGRESS_SIDE,
    MEDIA_SIDE,
    Chunk,
    End,
    Events,
    PublishedBytes,
    PublishEnd,
    Subscribe,
)
from media_streamer.wire.side import Side

CHUNK = Events(7, [Chunk(True, [b"x" * 300_000, b"", b"y"]), End("over")])


def frame(message: object) -> bytes:
    data = encoding.encode(message)
    return len(data).to_bytes(4) + data


async def test_packets_arrive_whole_and_in_order(pair) -> None:
    media, egress = await pair(MEDIA_SIDE, EGRESS_SIDE)
    egress.channel.send(Subscribe(1, "live", "flv"))
    media.channel.send(CHUNK)
    media.channel.send(Events(1, []))
    assert await egress.ear.until(2) == [CHUNK, Events(1, [])]
    assert await media.ear.until(1) == [Subscribe(1, "live", "flv")]


async def test_what_is_said_in_one_turn_is_one_write(pair, monkeypatch) -> None:
    media, egress = await pair(MEDIA_SIDE, EGRESS_SIDE)
    writes = []
    transport = media.channel._transport
    monkeypatch.setattr(media.channel, "_transport", _Counting(transport, writes))
    for number in range(50):
        media.channel.send(Events(number, []))
    assert len(await egress.ear.until(50)) == 50
    assert len(writes) == 1


class _Counting:
    def __init__(self, transport: asyncio.Transport, writes: list[int]) -> None:
        self._transport, self._writes = transport, writes

    def write(self, data: bytes) -> None:
        self._writes.append(len(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 400), max_size=12))
def test_bytes_may_come_in_any_pieces(cuts: list[int]) -> None:
    messages = [Events(n, [Chunk(False, [bytes(n * 30)])]) for n in range(6)]
    data = EGRESS_SIDE.preamble + b"".join(map(frame, messages))
    heard: list[object] = []

    class Ear:
        def on_message(self, message: object) -> None:
            heard.append(message)

        def on_closed(self, reason: str) -> None: ...

    async def feed() -> None:
        end: Channel[object, object] = Channel(EGRESS_SIDE, Ear())
        end._transport = _Open()  # type: ignore[assignment]
        position = 0
        for cut in [*cuts, len(data)]:
            end.data_received(data[position : position + cut])
            position += cut
            if position >= len(data):
                break

    asyncio.run(feed())
    assert heard == messages


class _Open:
    def is_closing(self) -> bool:
        return False


async def test_sending_after_the_end_raises(pair) -> None:
    media, egress = await pair(MEDIA_SIDE, EGRESS_SIDE)
    await egress.channel.close()
    assert await media.ear.closed == "the other side closed it"
    with pytest.raises(ChannelClosed):
        media.channel.send(Events(1, []))
    with pytest.raises(ChannelClosed):
        await media.channel.drain()


async def test_an_end_that_does_not_read_is_cut_off(pair) -> None:
    media, egress = await pair(MEDIA_SIDE, EGRESS_SIDE)
    egress.channel._transport.pause_reading()
    media.channel._max_pending_bytes = 3_000_000

    async def flood() -> None:
        for _ in range(100):
            media.channel.send(Events(1, [Chunk(True, [bytes(500_000)])]))
            await asyncio.sleep(0)

    with pytest.raises(ChannelClosed, match="does not read"):
        await flood()
    assert "does not read" in await media.ear.closed
    assert media.channel.pending_bytes == 0


async def test_drain_waits_for_the_other_side(pair) -> None:
    media, egress = await pair(MEDIA_SIDE, EGRESS_SIDE)
    egress.channel._transport.pause_reading()
    media.channel.send(Events(1, [Chunk(True, [bytes(4_000_000)])]))
    draining = asyncio.create_task(media.channel.drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    egress.channel._transport.resume_reading()
    await asyncio.wait_for(draining, 5)


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"\xff" * 8, "4294967295 bytes is refused"),
        (b"\0\0\0\x03abc", "broken or of no known kind"),
        (frame(["Fly", 1, 2]), "broken or of no known kind"),
        (frame(["Publish", 1, "live", "vhs", "::1", "x"]), "broken or of no known kind"),
        (frame(["Subscribe", 1]), "broken or of no known kind"),
        (frame(["PublishEnd", "1"]), "broken or of no known kind"),
    ],
    ids=["length", "garbage", "kind", "form", "missing", "type"],
)
async def test_what_cannot_be_read_ends_the_channel_with_one_line(
    stranger, caplog: pytest.LogCaptureFixture, sent: bytes, complaint: str
) -> None:
    end, reader, writer = await stranger(MEDIA_SIDE)
    writer.write(MEDIA_SIDE.preamble + frame(PublishEnd(1)) + sent + frame(PublishEnd(2)))
    assert complaint in await asyncio.wait_for(end.ear.closed, 5)
    assert end.ear.heard == [PublishEnd(1)]
    assert [complaint in record.message for record in caplog.records] == [True]
    assert await reader.read() == b""


async def test_a_message_cut_off_is_told_from_an_orderly_end(
    stranger, caplog: pytest.LogCaptureFixture
) -> None:
    end, _, writer = await stranger(MEDIA_SIDE)
    writer.write(MEDIA_SIDE.preamble + frame(PublishedBytes(1, bytes(1000)))[:100])
    writer.close()
    assert "cut off inside a message" in await asyncio.wait_for(end.ear.closed, 5)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize(
    ("greeting", "complaint"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not speak this protocol"),
        (MEDIA_SIDE.preamble[:-1] + bytes((MEDIA_SIDE.preamble[-1] ^ 1,)), "of another version"),
    ],
    ids=["stranger", "version"],
)
async def test_both_ends_check_who_is_there(stranger, greeting: bytes, complaint: str) -> None:
    end, _, writer = await stranger(MEDIA_SIDE)
    writer.write(greeting + frame(PublishEnd(1)))
    assert complaint in await asyncio.wait_for(end.ear.closed, 5)
    assert not end.ear.heard


def test_any_change_of_a_message_is_another_version() -> None:
    class Now(msgspec.Struct, tag="M", array_like=True):
        inner: list["Inner"]

    class Inner(msgspec.Struct, array_like=True):
        a: int

    class Later(msgspec.Struct, tag="M", array_like=True):
        inner: list["Wider"]

    class Wider(msgspec.Struct, array_like=True):
        a: int
        b: int = 0

    found = {Side("s", one, one).preamble for one in (Inner, Wider)}
    assert len(found) == 2
    assert EGRESS_SIDE.preamble == MEDIA_SIDE.preamble
    assert EGRESS_SIDE.preamble not in found


async def test_a_handler_that_fails_ends_nothing(pair, caplog) -> None:
    media, egress = await pair(MEDIA_SIDE, EGRESS_SIDE)
    heard = egress.ear.on_message
    failures = iter([True, False])

    def fail_once(message: object) -> None:
        if next(failures):
            raise RuntimeError("boom")
        heard(message)

    egress.ear.on_message = fail_once
    media.channel.send(Events(1, []))
    media.channel.send(Events(2, []))
    assert await egress.ear.until(1) == [Events(2, [])]
    assert "message Events failed" in caplog.text


async def test_a_message_over_the_bound_is_the_senders_error(pair, monkeypatch) -> None:
    monkeypatch.setattr(channel, "MAX_MESSAGE_BYTES", 1000)
    media, egress = await pair(MEDIA_SIDE, EGRESS_SIDE)
    media.channel.send(Events(1, []))
    with pytest.raises(ValueError, match="Events of"):
        media.channel.send(CHUNK)
    media.channel.send(Events(2, []))
    assert await egress.ear.until(2) == [Events(1, []), Events(2, [])]
