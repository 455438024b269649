"""Where connections come in: as many as the process has descriptors for, and a part of them for
one address.

asyncio's own way of accepting answers a lack of descriptors with a traceback for each connection
that waits. Here accepting pauses while there is no room, the kernel keeps the others waiting, and a
cause is one line a minute.

Invariants: what is open is counted by the socket itself, so no protocol can forget to say that it
is done; addresses of `exempt` (proxies that speak for many) and loopback have no limit.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from media_rest.guessing import caller_key

log = logging.getLogger(__name__)

ADDRESS_SHARE = 4
"""One address may have a quarter of the connections of a process, though never fewer than …"""
LEAST_PER_ADDRESS = 16
BACKLOG = 1024
ACCEPTS_AT_ONCE = 16
"""In one turn of the loop, each 0.1 ms with what is made for it."""
PAUSE_SECONDS = 0.1
LOG_SECONDS = 60.0
TLS_HANDSHAKE_SECONDS = 10.0
TLS_SHUTDOWN_SECONDS = 3.0
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESET = struct.pack("ii", 1, 0)  # linger for 0 s: the connection ends at once and leaves nothing

Factory = Callable[[], asyncio.BaseProtocol]


class Doorkeeper:
    """Counts the connections of a process. One for all its ports."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.per_address = max(LEAST_PER_ADDRESS, limit // ADDRESS_SHARE)
        self.exempt: Callable[[str], bool] = lambda address: False
        self.open = 0
        self.turned_away = 0
        self._by_address: Counter[str] = Counter()
        self._said_at: dict[str, float] = {}

    @property
    def has_room(self) -> bool:
        return self.open < self.limit

    def serve(
        self, factory: Factory, sock: socket.socket, tls: ssl.SSLContext | None = None
    ) -> "DoorServer":
        """Take connections of a listening socket from now on."""
        return DoorServer(self, factory, sock, tls)

    async def listen(
        self, factory: Factory, address: str | None, port: int, tls: ssl.SSLContext | None = None
    ) -> "list[DoorServer]":
        """The same on new sockets of an address, by default of all. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with contextlib.ExitStack() as undo:
            bound = []
            for family, _, _, _, place in dict.fromkeys(found):
                try:
                    sock = socket.create_server(place, family=family, backlog=BACKLOG)
                except OSError as error:
                    if len(found) > 1 and error.errno == errno.EADDRNOTAVAIL:
                        continue  # of a family that this machine has by name only
                    raise
                bound.append(undo.enter_context(sock))
            if not bound:
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
            undo.pop_all()
        return [self.serve(factory, sock, tls) for sock in bound]

    def enter(self, address: str) -> bool:
        """Count a new connection; False if its address has enough of them."""
        key = caller_key(address)
        full = self._by_address[key] >= self.per_address
        if full and not is_loopback(address) and not self.exempt(address):
            self.turned_away += 1
            text = "%s has %d connections, more are refused; %d were, of all addresses"
            self.say("address", text % (key, self.per_address, self.turned_away))
            return False
        self.open += 1
        self._by_address[key] += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that entered is closed."""
        key = caller_key(address)
        self.open -= 1
        self._by_address[key] -= 1
        if self._by_address[key] <= 0:
            del self._by_address[key]

    def say(self, cause: str, text: str) -> None:
        """A line in the log, at most one a minute for each cause."""
        now = time.monotonic()
        if now - self._said_at.get(cause, -LOG_SECONDS) >= LOG_SECONDS:
            self._said_at[cause] = now
            log.warning("connections: %s", text)


class _Counted(socket.socket):
    """A connection that says when it is closed."""

    __slots__ = ("_on_close",)

    @classmethod
    def of(cls, plain: socket.socket, on_close: Callable[[], None]) -> "_Counted":
        one = cls(plain.family, plain.type, plain.proto, plain.detach())
        one._on_close = on_close
        one.setblocking(False)
        return one

    def close(self) -> None:
        on_close, self._on_close = getattr(self, "_on_close", None), None
        super().close()
        if on_close is not None:
            on_close()

    _on_close: Callable[[], None] | None


class DoorServer:
    """A listening socket and what serves it. `close` takes no new connections."""

    def __init__(
        self,
        keeper: Doorkeeper,
        factory: Factory,
        sock: socket.socket,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._keeper, self._factory, self._sock, self._tls = keeper, factory, sock, tls
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        sock.setblocking(False)
        self._loop.add_reader(sock, self._accept)

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    def is_serving(self) -> bool:
        return not self._closed

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock)
        if self._timer is not None:
            self._timer.cancel()
        self._sock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            if not self._keeper.has_room:
                self._pause(f"all {self._keeper.limit} are open, new ones wait")
                return
            try:
                plain, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _FULL:
                    self._pause(f"none can be taken: {error.strerror}")
                    return
                continue  # the peer was gone before it was taken
            self._enter(plain, str(peer[0]).removeprefix("::ffff:"))

    def _pause(self, why: str) -> None:
        self._keeper.say("full", why)
        self._loop.remove_reader(self._sock)
        self._timer = self._loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._sock, self._accept)

    def _enter(self, plain: socket.socket, address: str) -> None:
        if not self._keeper.enter(address):
            with plain, contextlib.suppress(OSError):
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return
        sock = _Counted.of(plain, lambda: self._keeper.leave(address))
        if self._tls is None:
            self._begin(sock)
            return
        task = self._loop.create_task(self._serve(sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, sock: socket.socket) -> None:
        """Serve a connection without TLS: as `connect_accepted_socket` does, which waits for two
        turns of the loop more, and those of a busy worker are long."""
        loop: Any = self._loop
        try:
            transport = loop._make_socket_transport(sock, self._factory())
        except BaseException:
            sock.close()
            raise
        # It begins with the callbacks of this loop that follow; who connects has said something.
        loop.call_soon(_read, transport)

    async def _serve(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._factory,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS if self._tls else None,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS if self._tls else None,
            )
        except (OSError, ssl.SSLError) as error:
            log.debug("connection ended before it began: %s", error)
            sock.close()
        except BaseException:
            sock.close()
            raise


def _read(transport: Any) -> None:
    """Read what has come, if anything has."""
    if transport.is_reading():
        transport._read_ready()


def is_loopback(address: str) -> bool:
    return address in ("127.0.0.1", "::1")
