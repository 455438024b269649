"""Reading from publishers in turns: a wake-up of three processes costs more than a frame.

Every 40 ms each publisher of the worker is read once, all of them in one turn, and what they sent
goes on in one write a media worker. A publisher that sends a thousand tiny messages a second costs
what any other one does.

A turn reads the sockets itself: to let the event loop watch them for the length of a read costs
four times as much (epoll_ctl twice, and two rounds of the loop). Where that cannot be (TLS), and
while a publisher is silent, the transport reads as always, and is paused between turns.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Literal

from media_streamer.wire.channel import batch

log = logging.getLogger(__name__)

TURN_SECONDS = 0.04
READ_BYTES = 256 * 1024
SILENT_TURNS = 50
"""A publisher who sent nothing for so many turns is left to the event loop until it does."""

Reason = Literal["turn", "drain", "access", "requests", "answers", "budget", "rest"]
"""`rest`: of what was read, something is not taken yet."""
_HARMLESS: frozenset[Reason] = frozenset({"turn", "rest"})


class ReadGate:
    """Whether a connection is read: it is, while there is no reason against it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.go_on: Callable[[], None] | None = None
        """Takes the rest of what was read, once it may."""
        self._reasons: set[Reason] = set()

    @property
    def may_go_on(self) -> bool:
        """Whether what was read may be taken."""
        return self._reasons <= _HARMLESS

    @property
    def only_waits_for_its_turn(self) -> bool:
        return self._reasons == {"turn"} and not self.transport.is_closing()

    def hold(self, reason: Reason) -> None:
        """Stop reading; may be called again."""
        if not self._reasons and not self.transport.is_closing():
            self.transport.pause_reading()
        self._reasons.add(reason)

    def release(self, reason: Reason) -> None:
        """One reason less."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if "rest" in self._reasons and self.may_go_on and self.go_on is not None:
                self.go_on()  # releases the rest, if there is no more of it
                return
            if not self._reasons and not self.transport.is_closing():
                self.transport.resume_reading()


class _Reader:
    """A publisher who is read in turns."""

    def __init__(self, gate: ReadGate, take: Callable[[bytes], None]) -> None:
        self.gate = gate
        self.take = take
        transport = gate.transport
        plain = transport.get_extra_info("ssl_object") is None
        sock = transport.get_extra_info("socket") if plain else None
        self._descriptor = sock.fileno() if sock is not None else -1
        self._silent = 0

    def read(self) -> bool:
        """Its turn; False once it is left to the event loop."""
        if not self.gate.only_waits_for_its_turn:
            return True
        data = b""
        if self._descriptor >= 0:
            try:
                data = os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                self._silent += 1
                if self._silent < SILENT_TURNS:
                    return True
            except OSError:
                pass  # the transport finds out, and says so to its protocol
        if not data:
            # Nothing comes, it has ended, or it is TLS.
            self.gate.release("turn")
            return False
        self._silent = 0
        self.take(data)
        return True


class Turns:
    """The publishers of a worker."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        self._seconds = seconds
        self._readers: dict[ReadGate, _Reader] = {}
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, gate: ReadGate, take: Callable[[bytes], None]) -> None:
        """Let the next read of a connection be that of a turn; `take` gets what it reads.

        Called after each read of the event loop; what a turn has read does no harm either.
        """
        if gate not in self._readers:
            gate.hold("turn")
            self._readers[gate] = _Reader(gate, take)
            self._wind_up()

    def leave(self, gate: ReadGate) -> None:
        """It is no publisher any more."""
        self._readers.pop(gate, None)
        gate.release("turn")

    def _wind_up(self) -> None:
        if self._timer is None and self._readers:
            loop = asyncio.get_running_loop()
            # The clock of all workers: who begins between two turns waits for less than one.
            left = self._seconds - loop.time() % self._seconds
            self._timer = loop.call_later(left, self._turn)

    def _turn(self) -> None:
        self._timer = None
        with batch():
            for gate, reader in list(self._readers.items()):
                try:
                    stays = reader.read()
                except Exception:
                    log.exception("reading from a publisher failed; its connection is closed")
                    gate.transport.abort()
                    stays = False
                if not stays:
                    self._readers.pop(gate, None)
        self._wind_up()
