"""Frames that only make work: cheap to send, many in one read."""

import asyncio
import struct

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from media_streamer.budgets import HTTP2_FRAMES_PER_SECOND
from media_streamer.egress.http.http2 import connection
from media_streamer.egress.http.http2.connection import PIECE_BYTES, Http2Connection


class Wire(asyncio.Transport):
    """Of the server's side."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closed = False

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
    served = Http2Connection(lambda: None)  # type: ignore[arg-type,return-value]
    wire = Wire()
    served.connection_made(wire)
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(
        1, [(":method", "POST"), (":path", "/"), (":scheme", "https"), (":authority", "a")]
    )
    served.data_received(client.data_to_send() + FLOODS[flood] * 25_000)
    assert wire.closed
    assert len(looked) < HTTP2_FRAMES_PER_SECOND + PIECE_BYTES / 9 + 10
    served.connection_lost(None)


class Body:
    """An exchange that takes all."""

    stream = 1

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None
