"""A broadcast with a link and transports that remember what they were told."""

import asyncio
from dataclasses import replace
from pathlib import Path

from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Broadcast
from media_streamer.egress.pace import Pace
from media_streamer.egress.served_sessions import ServedSessions
from media_streamer.wire.control import AccessRequest, DeliveryConfig
from media_streamer.wire.media import (
    Chunk,
    Event,
    Events,
    Header,
)


class Link:
    """Notes what a broadcast asks of a media worker."""

    def __init__(self) -> None:
        self.subscribed: list[tuple[str, str]] = []
        self.released: list[int] = []
        self.repeated: list[int] = []
        self.paces: list[int] = []

    def subscribe(self, stream, format_name, _taker, *, interval_ms, tracks=(), pinned=False):
        self.paces.append(interval_ms)
        self.subscribed.append((stream, format_name))
        return len(self.subscribed)

    def pace(self, _number, interval_ms):
        self.paces.append(interval_ms)

    def release(self, number):
        self.released.append(number)

    def repeat(self, number):
        self.repeated.append(number)


class Transport:
    """A connection that takes as many bytes as the test lets it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.waiting = 0
        self.reads = True
        self.aborted = False
        self.closing = False
        self._wrote = asyncio.Event()

    async def written(self, count: int) -> None:
        """Wait for that many writes."""
        while len(self.sent) < count:
            self._wrote.clear()
            await self._wrote.wait()

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        self._wrote.set()
        if not self.reads:
            self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True

    @property
    def bytes(self) -> bytes:
        return b"".join(self.sent)


class Upper:
    """A framing: upper case."""

    counted = True

    def header(self, payload: bytes) -> bytes:
        return payload.upper()

    def chunk(self, payload: bytes, key: bool) -> bytes:
        return payload.upper()


def access(session_id: str = "s", ip: str = "127.0.0.1") -> Access:
    request = AccessRequest("live", "flv", "play", ip)
    return Access(session_id, "live", Path("/x"), 1, request)


class Bench:
    def __init__(self, framing=None, streams=("live",)) -> None:
        self.pace = Pace()
        self.link = Link()
        self.told: list = []
        self.sessions = ServedSessions(self.told.append)
        self.streams = set(streams)
        self.idle: list[Broadcast] = []
        self.broadcast = Broadcast(
            "live",
            "flv",
            self.link,
            self.sessions,
            self.pace,
            framing,
            self.idle.append,
            self.streams.__contains__,
        )

    def tell(self, event: Event) -> None:
        self.broadcast.on_message(Events(1, [event]))

    def header(self, data: bytes) -> None:
        self.tell(Header(data))

    def chunk(self, data: bytes, *, key: bool = False) -> None:
        self.tell(Chunk(key, [data[:1], data[1:]]))

    def attach(
        self,
        session_id: str = "s",
        prepush: float | None = None,
        ip: str = "127.0.0.1",
        **options,
    ):
        transport = Transport()
        asked = replace(access(session_id, ip), config=DeliveryConfig(prepush=prepush))
        return transport, self.broadcast.attach(transport, asked, **options)
