"""A port that two protocols have together, until the first byte of a client tells which it speaks.

Who says nothing is closed after as long as HTTP waits for a request.
"""

import asyncio
from collections.abc import Callable, Mapping

from media_streamer.egress.http.connection import KEEP_ALIVE_SECONDS

Factory = Callable[[], asyncio.Protocol]


class FirstByte(asyncio.Protocol):
    """A connection nobody knows yet: one of `others` takes it by its byte, else `usual`."""

    _transport: asyncio.Transport

    def __init__(
        self, usual: Factory, others: Mapping[int, Factory], seconds: float = KEEP_ALIVE_SECONDS
    ) -> None:
        self._usual = usual
        self._others = others
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._stop()
        protocol = self._others.get(data[0], self._usual)()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        chosen = self._transport.get_protocol()  # it may have handed the connection on
        assert isinstance(chosen, asyncio.Protocol)
        chosen.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
