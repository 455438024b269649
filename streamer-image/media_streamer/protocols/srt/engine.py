"""The thread that waits for SRT sockets, and the event loop that owns them.

libsrt has no file descriptors to wait for, but a poll of its own: one thread a process waits
there, reads what has come, and hands it to the loop in one call for all sockets. Everything else
happens in the loop. Sending never waits.
"""

import asyncio
import contextlib
import errno
import logging
import threading
import time
from typing import Protocol

from media_streamer.protocols.srt.libsrt import (
    ERR,
    IN,
    MAX_MESSAGE_BYTES,
    OUT,
    Option,
    SrtError,
    SrtSocket,
    ffi,
    last_error,
    library,
)

log = logging.getLogger(__name__)

WAIT_MS = 200
"""The thread looks whether it shall end this often."""
BATCH_SECONDS = 0.005
"""Packets of this long are handed over together."""
MAX_EVENTS = 256
MESSAGES_AT_ONCE = 256
_EMPTY_ALLOWED = 1


class Owner(Protocol):
    """Who has a socket; called in the event loop."""

    def on_messages(self, messages: list[bytes]) -> None:
        """What came, in order."""

    def on_event(self, events: int) -> None:
        """`IN` of a listener, `OUT` of a socket that was connecting, `ERR`: it is broken."""


class SrtEngine:
    """One per process. Made in the event loop; `close` ends the thread."""

    def __init__(self) -> None:
        self._lib = library()
        self._poll = self._lib.srt_epoll_create()
        if self._poll < 0:
            raise last_error("poll")
        self._lib.srt_epoll_set(self._poll, _EMPTY_ALLOWED)
        self._loop = asyncio.get_running_loop()
        self._owners: dict[int, Owner] = {}
        self._caller_ports: dict[str, int] = {}
        self._readers: set[int] = set()
        """Sockets whose messages the thread reads; a listener is told of instead."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="srt", daemon=True)
        self._thread.start()

    def bind_caller(self, sock: SrtSocket, host: str) -> None:
        """Let a socket that will call `host` share one UDP port with all others that call.

        Raises OSError."""
        anywhere = "::" if ":" in host else "0.0.0.0"
        if ":" in host:
            sock.set_flag(Option.IPV6ONLY, True)  # libsrt will have it said
        port = self._caller_ports.get(anywhere, 0)
        try:
            found = sock.call_from(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not port:
                raise
            try:
                found = sock.bind(anywhere, port)  # by the socket with its guard, as others do
            except SrtError:  # nobody called for a while, and somebody else has the port now
                found = sock.call_from(host)
        self._caller_ports[anywhere] = found

    def add(self, sock: SrtSocket, owner: Owner, events: int, *, reads: bool) -> None:
        """Watch a socket; `reads`: its messages are read for the owner."""
        self._owners[sock.number] = owner
        if reads:
            self._readers.add(sock.number)
        if self._lib.srt_epoll_add_usock(self._poll, sock.number, ffi.new("int *", events)) < 0:
            self._owners.pop(sock.number, None)
            raise last_error("watch")

    def remove(self, sock: SrtSocket) -> None:
        """Watch it no more, and close it."""
        self._owners.pop(sock.number, None)
        self._readers.discard(sock.number)
        self._lib.srt_epoll_remove_usock(self._poll, sock.number)
        sock.close()

    def forget(self, sock: SrtSocket, events: int) -> None:
        """Watch for `events` only from now on."""
        self._lib.srt_epoll_remove_usock(self._poll, sock.number)
        self._lib.srt_epoll_add_usock(self._poll, sock.number, ffi.new("int *", events))

    def close(self) -> None:
        """End the thread; sockets are their owners' business."""
        self._stopping.set()
        self._thread.join(2 * WAIT_MS / 1000)
        self._lib.srt_epoll_release(self._poll)

    def _run(self) -> None:
        events = ffi.new("SRT_EPOLL_EVENT[]", MAX_EVENTS)
        buffer = ffi.new("char[]", MAX_MESSAGE_BYTES)
        while not self._stopping.is_set():
            count = self._lib.srt_epoll_uwait(self._poll, events, MAX_EVENTS, WAIT_MS)
            if count <= 0:
                if count < 0:
                    time.sleep(BATCH_SECONDS)
                continue
            found: list[tuple[int, int, list[bytes]]] = []
            for index in range(min(count, MAX_EVENTS)):
                number, what = events[index].fd, events[index].events
                messages: list[bytes] = []
                if number in self._readers and what & IN:
                    what &= ~IN
                    messages, broken = self._read(number, buffer)
                    what |= ERR if broken else 0
                if what & ERR:
                    # Reported again and again until it is taken out.
                    self._lib.srt_epoll_remove_usock(self._poll, number)
                found.append((number, what, messages))
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._deliver, found)
            time.sleep(BATCH_SECONDS)

    def _read(self, number: int, buffer: object) -> tuple[list[bytes], bool]:
        """Messages that are there, and whether the socket is broken."""
        sock = SrtSocket.__new__(SrtSocket)
        sock.number = number
        messages: list[bytes] = []
        try:
            for _ in range(MESSAGES_AT_ONCE):
                message = sock.receive(buffer)
                if message is None:
                    break
                messages.append(message)
        except SrtError:
            return messages, True
        return messages, False

    def _deliver(self, found: list[tuple[int, int, list[bytes]]]) -> None:
        for number, what, messages in found:
            owner = self._owners.get(number)
            if owner is None:
                continue
            try:
                if messages:
                    owner.on_messages(messages)
                if what & (IN | OUT | ERR):
                    owner.on_event(what)
            except Exception:
                log.exception("srt socket %d", number)
