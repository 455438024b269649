"""Reading from publishers in turns: a wake-up of three processes costs more than a frame.

Every 40 ms each publisher of the worker is read once, all of them in one turn, and what they sent
goes on in one write a media worker. A publisher that sends a thousand tiny messages a second costs
what any other one does. Where those who take a stream can wait (nobody watches, or so many do that
they are written to less often), the media worker says so and every second, fourth or eighth turn is
enough; all turns are those of one clock, which other processes share.

A turn reads the sockets itself: to let the event loop watch them for the length of a read costs
four times as much (epoll_ctl twice, and two rounds of the loop). That a publisher has ended is seen
at once: an epoll of its own waits for nothing else. Where a turn cannot read (TLS), and while a
publisher is silent, the transport reads as always, and is paused between turns.
"""

import asyncio
import contextlib
import logging
import os
import select
from collections.abc import Callable
from typing import Literal

from media_streamer.rounds import TURN_SECONDS
from media_streamer.wire.channel import batch

log = logging.getLogger(__name__)

READ_BYTES = 64 * 1024
"""At once; for more the C library maps memory (`media_process.reading`)."""
HASTY_BYTES = 128 * 1024
"""Whoever sends more than this between two reads is read again in the next turn."""
MAX_READS = 16
"""In one turn, of one publisher: 200 Mb/s."""
SILENT_SECONDS = 2.0
"""A publisher who sent nothing for so long is left to the event loop until it does."""

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

    def __init__(self, gate: ReadGate, take: Callable[[bytes], None], now: float) -> None:
        self.gate = gate
        self.take = take
        transport = gate.transport
        plain = transport.get_extra_info("ssl_object") is None
        sock = transport.get_extra_info("socket") if plain else None
        self.descriptor = sock.fileno() if sock is not None else -1
        self.every = 1
        """It is read in turns whose number is a multiple of this."""
        self.due = 0
        """Number of the turn in which it is read next."""
        self._heard_at = now

    def wait(self, turn: int) -> None:
        """Be read in the first of its turns after this one."""
        self.due = (turn // self.every + 1) * self.every

    def read(self, turn: int, now: float) -> bool:
        """Its turn; False once it is left to the event loop."""
        self.wait(turn)
        size = 0
        for _ in range(MAX_READS):
            if not self.gate.only_waits_for_its_turn:
                return True
            data = b""
            if self.descriptor >= 0:
                try:
                    data = os.read(self.descriptor, READ_BYTES)
                except BlockingIOError:
                    if size or now - self._heard_at < SILENT_SECONDS:
                        return True
                except OSError:
                    pass  # the transport finds out, and says so to its protocol
            if not data:
                # Nothing comes, it has ended, or it is TLS.
                self.gate.release("turn")
                return False
            self._heard_at = now
            size += len(data)
            if size > HASTY_BYTES:
                self.due = turn + 1
            self.take(data)
            if len(data) < READ_BYTES:
                break
        return True


class Turns:
    """The publishers of a worker."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        self._seconds = seconds
        self._readers: dict[ReadGate, _Reader] = {}
        self._intervals: dict[ReadGate, float] = {}
        self._ends: _Ends | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, gate: ReadGate, take: Callable[[bytes], None]) -> None:
        """Let the next read of a connection be that of a turn; `take` gets what it reads.

        Called after each read of the event loop; what a turn has read does no harm either.
        """
        if gate in self._readers:
            return
        now = asyncio.get_running_loop().time()
        gate.hold("turn")
        reader = self._readers[gate] = _Reader(gate, take, now)
        reader.every = self._every(self._intervals.get(gate, 0.0))
        reader.wait(int(now / self._seconds))
        if self._ends is None:
            self._ends = _Ends(self._release)
        self._ends.watch(reader)
        self._wind_up()

    def pace(self, gate: ReadGate, seconds: float) -> None:
        """What this publisher sends may be gathered for so long."""
        self._intervals[gate] = seconds
        if reader := self._readers.get(gate):
            reader.every = self._every(seconds)
            reader.wait(int(asyncio.get_running_loop().time() / self._seconds))
            self._wind_up()

    def leave(self, gate: ReadGate) -> None:
        """It is no publisher any more."""
        self._intervals.pop(gate, None)
        self._drop(gate)
        gate.release("turn")

    def _every(self, seconds: float) -> int:
        return max(1, round(seconds / self._seconds))

    def _drop(self, gate: ReadGate) -> None:
        reader = self._readers.pop(gate, None)
        if reader is not None and self._ends is not None:
            self._ends.forget(reader)
        if not self._readers and self._ends is not None:
            self._ends.close()
            self._ends = None

    def _wind_up(self) -> None:
        due = min((reader.due for reader in self._readers.values()), default=None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            # The clock of all workers: who begins between two turns waits for less than one.
            self._timer = asyncio.get_running_loop().call_at(due * self._seconds, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        turn = round(now / self._seconds)  # a timer may be a little early
        with batch():
            for reader in [one for one in self._readers.values() if one.due <= turn]:
                try:
                    stays = reader.read(turn, now)
                except Exception:
                    peer = reader.gate.transport.get_extra_info("peername")
                    log.exception("publisher at %s: reading failed, it is cut off", peer)
                    reader.gate.transport.abort()
                    stays = False
                if not stays:
                    self._drop(reader.gate)
        self._wind_up()

    def _release(self, reader: _Reader) -> None:
        """Let the event loop read what is left, and the end."""
        self._drop(reader.gate)
        reader.gate.release("turn")


class _Ends:
    """Publishers whose connection the other side has closed: an epoll inside the event loop's."""

    def __init__(self, release: Callable[[_Reader], None]) -> None:
        self._release = release
        self._readers: dict[int, _Reader] = {}
        self._epoll = select.epoll()
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._ended)

    def watch(self, reader: _Reader) -> None:
        if reader.descriptor >= 0:
            self._readers[reader.descriptor] = reader
            with contextlib.suppress(OSError):  # it is closed already, and its transport knows
                self._epoll.register(reader.descriptor, select.EPOLLRDHUP | select.EPOLLET)

    def forget(self, reader: _Reader) -> None:
        if self._readers.get(reader.descriptor) is reader:
            del self._readers[reader.descriptor]
            with contextlib.suppress(OSError):  # the kernel forgot it when it was closed
                self._epoll.unregister(reader.descriptor)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _ended(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            if reader := self._readers.get(descriptor):
                self._release(reader)
