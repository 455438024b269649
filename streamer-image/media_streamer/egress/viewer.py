"""One connection that is sent a broadcast: whether it keeps up, and how it ends."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from media_streamer.egress.allowance import Account as Share
from media_streamer.egress.served_sessions import Account

STALL_SECONDS = 30.0
"""A viewer that reads nothing at all for this long is cut off."""
STALLED = "stalled"
"""The reason that is told then."""


UNCOUNTED_BYTES = 16 * 1024
"""What waits for a viewer who keeps up, at most."""
PROVEN_BYTES = 4 * 1024 * 1024
"""Who was sent more has read: the buffers of the kernel hold less."""


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
        "counted",
        "greeted",
        "limit",
        "sent",
        "share",
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
        share: Share | None = None,
    ) -> None:
        self._broadcast = broadcast
        self._on_left = on_left
        self.transport = transport
        self.account = account
        self.limit = limit
        self.share = share
        """What its address leaves unread."""
        self.sent = 0
        """Bytes that were written to this very connection."""
        self.counted = False
        """It has a part in that."""
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

    def fits(self, waiting_bytes: int, size: int) -> bool:
        """Whether its address may leave so many bytes unread, and `size` that are written now.

        `wrote` tells what became of them. Who lags little always may, and who keeps up and has
        read much before: his neighbours do not hold him up.
        """
        share, after = self.share, waiting_bytes + size
        if share is None:
            return True
        keeps_up = not waiting_bytes and self.sent > PROVEN_BYTES
        self.counted = after > UNCOUNTED_BYTES and not keeps_up
        share.hold(after if self.counted else 0)
        if self.counted and share.is_over:
            share.hold(waiting_bytes)
            return False
        return True

    def wrote(self, waiting_bytes: int) -> None:
        """So much waits now that it was written to."""
        if self.share is not None:
            self.share.hold(waiting_bytes if waiting_bytes > UNCOUNTED_BYTES else 0)

    def detach(self, reason: str) -> None:
        """Send nothing more; the transport stays the caller's. May be called again."""
        self._broadcast.forget(self, reason)

    def close(self, reason: str) -> None:
        """Send nothing more; `closed` tells the owner of the connection to end it."""
        self.detach(reason)

    def left(self, reason: str) -> None:
        """Called by the broadcast, once."""
        self.account.on_close.discard(self.close)
        if self.share is not None:
            self.share.hold(0)
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
