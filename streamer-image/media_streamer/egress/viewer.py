"""One connection that is sent a broadcast: whether it keeps up, and how it ends."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from media_streamer.egress.served_sessions import Account

STALL_SECONDS = 30.0
"""A viewer that reads nothing at all for this long is cut off."""
STALLED = "stalled"
"""The reason that is told then."""


class Delivery(Protocol):
    """What of a transport a broadcast uses: a connection, or what sends datagrams like one."""

    def write(self, data: bytes, /) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def is_closing(self) -> bool: ...

    def abort(self) -> None: ...


class Leaves(Protocol):
    """What of a broadcast its viewers use."""

    def forget(self, viewer: "Viewer", reason: str, /) -> None: ...


class Viewer:
    """One connection that is sent a broadcast: that of a viewer, or of a push."""

    __slots__ = (
        "_broadcast",
        "_on_left",
        "account",
        "closed",
        "greeted",
        "limit",
        "skipping",
        "stalled_at",
        "started_bytes",
        "transport",
        "unread",
    )

    def __init__(
        self,
        broadcast: "Leaves",
        transport: Delivery,
        account: Account,
        limit: int,
        on_left: Callable[[str], None],
    ) -> None:
        self._broadcast = broadcast
        self._on_left = on_left
        self.transport = transport
        self.account = account
        self.limit = limit
        self.greeted = False
        """The header was sent."""
        self.skipping = False
        """Waits for the next key frame."""
        self.stalled_at = time.monotonic()
        self.unread = 0
        self.started_bytes = account.bytes
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once nothing more will be sent."""

    @property
    def bytes_sent(self) -> int:
        return self.account.bytes - self.started_bytes

    @property
    def dropped_gops(self) -> int:
        return self.account.dropped_gops

    def detach(self, reason: str) -> None:
        """Send nothing more; the transport stays the caller's. May be called again."""
        self._broadcast.forget(self, reason)

    def close(self, reason: str) -> None:
        """Send nothing more; `closed` tells the owner of the connection to end it."""
        self.detach(reason)

    def left(self, reason: str) -> None:
        """Called by the broadcast, once."""
        self.account.on_close.discard(self.close)
        self._on_left(reason)
        if not self.closed.done():
            self.closed.set_result(reason)

    def skip(self, waiting_bytes: int, now: float) -> None:
        """A chunk was left out: the connection is over its bound, or waits for a key frame."""
        if not self.skipping:
            self.skipping = True
            self.account.dropped_gops += 1
            self.stalled_at, self.unread = now, waiting_bytes
        elif waiting_bytes < self.unread or not waiting_bytes:
            self.stalled_at, self.unread = now, waiting_bytes
        elif now - self.stalled_at > STALL_SECONDS:
            self.detach(STALLED)
            self.transport.abort()
