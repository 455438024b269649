"""What one peer sends, as far as it may: bytes -> messages, no faster than they may come.

Invariants: a message is taken only while nothing forbids reading (access that is decided, answers
that nobody reads, a feed that is behind, messages a second); the rest of what was read stays here,
in the reader's buffer, and nothing more is read meanwhile. Bytes of unfinished messages are bounded
by connection and by address. So a peer costs the worker a few milliseconds at a time whatever it
sends, and is slowed down, not refused: a burst is no crime.
"""

import asyncio
import logging
from collections.abc import Callable

from media_streamer import budgets
from media_streamer.egress.allowance import Account, Allowance
from media_streamer.egress.reading import ReadGate
from media_streamer.protocols.rtmp.chunks import ChunkError, ChunkReader, Message

log = logging.getLogger(__name__)

LEAST_WAIT_SECONDS = 0.04
COST_BYTES = 1024
"""So many bytes of a message cost what a message costs, from all who do not publish."""


def _forget(messages: list[Message]) -> None:
    """What came with the last ones that were taken."""


class Intake:
    """Of one connection. `take` gets messages: one at a time, many at a time of a publisher."""

    def __init__(
        self, peer: str, gate: ReadGate, account: Account, take: Callable[[list[Message]], None]
    ) -> None:
        self._peer = peer
        self._gate = gate
        self._account = account
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._reader = ChunkReader()
        self._publishes = False
        self._timer: asyncio.TimerHandle | None = None
        self._said = False
        self.commands_only()

    def commands_only(self) -> None:
        """It plays, or nothing yet: few and small messages."""
        self._publishes = False
        self._reader.max_message_bytes = budgets.RTMP_COMMAND_BYTES
        self._reader.max_unfinished_bytes = budgets.RTMP_UNFINISHED_BYTES
        self._allowance = Allowance(
            budgets.RTMP_COST_PER_SECOND, budgets.RTMP_COST_AT_ONCE, self._loop.time()
        )

    def let_publish(self) -> None:
        """Media may come."""
        self._publishes = True
        self._reader.max_message_bytes = budgets.RTMP_MESSAGE_BYTES
        self._reader.max_unfinished_bytes = budgets.RTMP_PUBLISHER_UNFINISHED_BYTES
        self._allowance = Allowance(
            budgets.RTMP_PUBLISHER_MESSAGES_PER_SECOND,
            budgets.RTMP_PUBLISHER_MESSAGES_AT_ONCE,
            self._loop.time(),
        )

    def feed(self, data: bytes) -> None:
        """Take what was read, or with nothing go on. Raises ChunkError."""
        reader, gate = self._reader, self._gate
        left = max(0, self._allowance.left(self._loop.time()))
        while True:
            most = left if self._publishes else min(left, 1)
            messages = reader.feed(data, most if gate.may_go_on else 0)
            data = b""
            cost = reader.completed
            if not self._publishes:
                cost += sum(len(message.payload) for message in messages) // COST_BYTES
            self._allowance.spend(cost)
            left -= cost
            if not self._account.hold(reader.held):
                limit = self._account.limit
                raise ChunkError(f"unfinished messages of its address: more than {limit} bytes")
            if messages:
                self._take(messages)
            if gate.transport.is_closing():
                self.close()
                return
            if not reader.has_more or not gate.may_go_on:
                break
            if left < 1:
                self._slow_down()
                break
        if reader.has_more:
            gate.hold("rest")
        else:
            gate.release("rest")

    def close(self) -> None:
        """Nothing more is taken; nothing here holds the connection any more."""
        self._gate.go_on = None
        self._take = _forget
        self._account.hold(0)
        if self._timer is not None:
            self._timer.cancel()

    def _slow_down(self) -> None:
        self._gate.hold("budget")
        wait = max(LEAST_WAIT_SECONDS, self._allowance.wait())
        self._timer = self._loop.call_later(wait, self._gate.release, "budget")
        if not self._said:
            self._said = True
            log.warning("rtmp %s: more messages than it may send, reading is slowed", self._peer)
