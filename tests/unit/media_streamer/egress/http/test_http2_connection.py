"""Frames that only make work: cheap to send, many in one read."""

import asyncio
import struct
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived
from media_process.door import LEAST_PER_ADDRESS, Doorkeeper
from media_streamer.budgets import HTTP2_ADDRESS_FRAMES_PER_SECOND, HTTP2_FRAMES_PER_SECOND
from media_streamer.egress.http.http2 import connection
from media_streamer.egress.http.http2.connection import PIECE_BYTES, Http2Connection
from media_streamer.egress.http.http2.crowd import Crowd

from tests.support.streamer import until


class Wire(asyncio.Transport):
    """Of the server's side."""

    def __init__(self, peer: str = "192.0.2.1") -> None:
        super().__init__({"peername": (peer, 4000)})
        self.sent = bytearray()
        self.closed = False
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """RFC 9113, 4.1."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes((kind, flags))
        + struct.pack(">I", stream)
        + payload
    )


DATA, PRIORITY, SETTINGS, PING, UNKNOWN = 0, 2, 4, 6, 0x42
FLOODS = {
    "empty bodies": frame(DATA, stream=1),
    "bodies of padding": frame(DATA, b"\x05" + bytes(5), 0x8, 1),
    "priorities": frame(PRIORITY, struct.pack(">IB", 0, 1), stream=3),
    "settings": frame(SETTINGS),
    "pings": frame(PING, bytes(8)),
    "unknown": frame(UNKNOWN),
}


def serve(crowd: Crowd, peer: str = "192.0.2.1") -> tuple[Http2Connection, Wire]:
    served, wire = Http2Connection(lambda: None, crowd), Wire(peer)  # type: ignore[arg-type,return-value]
    served.connection_made(wire)
    return served, wire


def client() -> H2Connection:
    one = H2Connection(H2Configuration(client_side=True))
    one.initiate_connection()
    return one


def ask(one: H2Connection, number: int) -> None:
    pseudo = [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "a")]
    one.send_headers(2 * number + 1, pseudo, end_stream=True)


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_of_frames_in_one_read_is_cut_short(
    flood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many are looked at before the connection ends is what a worker is held up by."""
    looked: list[object] = []
    usual = Http2Connection._count

    def count(self: Http2Connection, event: object) -> None:
        looked.append(event)
        usual(self, event)  # type: ignore[arg-type]

    monkeypatch.setattr(Http2Connection, "_count", count)
    monkeypatch.setattr(connection, "Lane", lambda *_: Body())
    stop_clock(monkeypatch)
    served, wire = serve(Crowd(Doorkeeper(100)))
    sender = client()
    sender.send_headers(
        1, [(":method", "POST"), (":path", "/"), (":scheme", "https"), (":authority", "a")]
    )
    served.data_received(sender.data_to_send() + FLOODS[flood] * 25_000)
    assert wire.closed
    assert len(looked) < HTTP2_FRAMES_PER_SECOND + PIECE_BYTES / 9 + 10
    served.connection_lost(None)


def stop_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes now comes in one second, however long a busy machine takes to look at it."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)


class Body:
    """An exchange that takes all."""

    stream = 1

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


PINGS = 1900
"""Of one connection in a second: fewer than end it."""


async def test_an_address_has_no_more_frames_by_many_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They wait to be read, and lose nothing; another address does not notice."""
    looked: list[Any] = []
    usual = Http2Connection._count

    def count(self: Http2Connection, event: Any) -> None:
        looked.append(event)
        usual(self, event)

    monkeypatch.setattr(Http2Connection, "_count", count)
    crowd = Crowd(Doorkeeper(100))
    preface = client().data_to_send()
    with monkeypatch.context() as frozen:
        stop_clock(frozen)
        many = [serve(crowd) for _ in range(10)]
        for served, _ in many:
            served.data_received(preface + FLOODS["pings"] * PINGS)
    piece = PIECE_BYTES // len(FLOODS["pings"])
    assert len(looked) <= HTTP2_ADDRESS_FRAMES_PER_SECOND + piece * len(many)
    assert any(not wire.reads for _, wire in many)
    assert not any(wire.closed for _, wire in many)
    other, wire = serve(crowd, "192.0.2.2")
    other.data_received(preface + FLOODS["pings"] * 10)
    assert wire.reads
    assert wire.sent.count(frame(PING, bytes(8), 1)) == 10

    async def all_read() -> bool:
        return all(wire.reads for _, wire in many)

    await until(all_read, "all is looked at", 20)
    assert all(wire.sent.count(frame(PING, bytes(8), 1)) == PINGS for _, wire in many)
    for served in (*(one for one, _ in many), other):
        served.connection_lost(None)
    assert not crowd._frames


async def test_an_address_has_no_more_exchanges_by_few_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One beyond the first of its connection counts as a connection, until it ends."""
    monkeypatch.setattr(connection, "Lane", lambda *_: Body())
    door = Doorkeeper(8 * LEAST_PER_ADDRESS)
    crowd = Crowd(door)
    few = [serve(crowd) for _ in range(3)]
    clients = [client() for _ in few]
    for (served, _), one in zip(few, clients, strict=True):
        for number in range(20):
            ask(one, number)
        served.data_received(one.data_to_send())
    assert door.per_address == 2 * LEAST_PER_ADDRESS == door.open
    counts = [len(served._lanes) for served, _ in few]
    assert counts == [20, 14, 1]
    headers = [
        event.headers for event in clients[2].receive_data(bytes(few[2][1].sent))
        if isinstance(event, ResponseReceived)
    ]  # fmt: skip
    assert [dict(one)[b":status"] for one in headers] == [b"503"] * 19
    clients[0].reset_stream(1)
    few[0][0].data_received(clients[0].data_to_send())
    assert door.open == 2 * LEAST_PER_ADDRESS - 1
    for served, _ in few:
        served.connection_lost(None)
    assert door.open == 0
