"""A path by UDP between a client and a server that carries so much and no more, as a slow link
does: what does not fit its queue is dropped, what does waits its turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

Address = tuple[str, int]
QUEUE_SECONDS = 0.3


class Bottleneck(asyncio.DatagramProtocol):
    """Towards the server nothing is held up. One client at a time."""

    def __init__(self, bit_rate: float) -> None:
        self.bit_rate = bit_rate
        self.server: Address | None = None
        """Set it once it is known; what comes before is lost."""
        self.dropped = 0
        self._client: Address | None = None
        self._free_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """Where the client sends to."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: Address) -> None:
        assert self._transport is not None
        if address != self.server:
            self._client = address
            if self.server is not None:
                self._transport.sendto(data, self.server)
            return
        now = self._loop.time()
        begins = max(now, self._free_at)
        if begins - now > QUEUE_SECONDS:
            self.dropped += 1
            return
        self._free_at = begins + 8 * len(data) / self.bit_rate
        self._loop.call_at(self._free_at, self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        if self._client is not None and self._transport is not None:
            self._transport.sendto(data, self._client)


@asynccontextmanager
async def bottleneck(bit_rate: float) -> AsyncIterator[Bottleneck]:
    """A path of so many bits a second; its client and its server are on this machine."""
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Bottleneck(bit_rate), local_addr=("127.0.0.1", 0)
    )
    try:
        yield made
    finally:
        transport.close()
