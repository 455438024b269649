"""Accounting of the sessions that this worker serves: bytes each second to the supervisor.

A session is opened by the supervisor (`access`) and may be served by several workers at once (an
HLS viewer's connections are spread over them by the kernel), so `bytes` is what THIS worker sent
or received since it first saw the session, and the supervisor adds the workers up.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from media_streamer.budgets import ADDRESS_UNREAD_BYTES
from media_streamer.egress.access import Access, counted_as
from media_streamer.egress.allowance import HeldBytes
from media_streamer.rounds import next_round
from media_streamer.wire.control import (
    HeldSession,
    PathReport,
    SessionLeft,
    SessionReport,
    SessionsHeld,
    SessionsMoved,
)
from media_streamer.wire.peer import Notice

log = logging.getLogger(__name__)

UPDATE_SECONDS = 1.0
SAY_SECONDS = 60.0
HELD_PER_NOTICE = 500
ALIVE_EVERY_UPDATES = 10
"""A session without traffic is reported this rarely, so that it is known to be alive."""


@dataclass(slots=True, eq=False, kw_only=True)
class Account:
    """What a delivery costs; `bytes` and `frames` are counted up by whoever moves them."""

    bytes: int = 0
    frames: int = 0
    dropped_gops: int = 0
    path: Callable[[], PathReport] | None = None
    """What is known of the way to the viewer, where its protocol tells."""
    who: str = ""
    """Whose share of memory it takes, see `access.counted_as`; empty: nobody's."""
    on_close: set[Callable[[str], None]] = field(default_factory=set)
    """Called with the reason when whoever allowed the delivery ends it."""


@dataclass(slots=True, eq=False)
class ServedSession(Account):
    """One viewer or publisher."""

    access: Access
    users: int = 0
    """Connections or requests that use the session at the moment."""
    reported_bytes: int = -1

    def __post_init__(self) -> None:
        self.who = counted_as(self.access)

    @property
    def id(self) -> str:
        return self.access.session_id

    def report(self) -> SessionReport:
        self.reported_bytes = self.bytes
        path = self.path() if self.path is not None else None
        return SessionReport(self.id, self.bytes, self.dropped_gops, path)


class ServedSessions:
    """All sessions of this worker by identifier."""

    def __init__(self, notify: Callable[[Notice], None]) -> None:
        self._notify = notify
        self._by_id: dict[str, ServedSession] = {}
        self._some = asyncio.Event()
        """There are sessions."""
        self._updates = 0
        self.unread = HeldBytes(ADDRESS_UNREAD_BYTES)
        """What viewers of an address leave unread."""
        self._said_at = float("-inf")

    def __len__(self) -> int:
        return len(self._by_id)

    def open(self, access: Access) -> ServedSession:
        """The session of `access`, with one user more."""
        session = self._by_id.get(access.session_id)
        if session is None:
            self._some.set()
            session = self._by_id[access.session_id] = ServedSession(access)
        session.users += 1
        return session

    def leave(self, session: ServedSession, reason: str) -> None:
        """One user less; the last one closes the session here and reports it."""
        session.users -= 1
        if session.users <= 0 and self._by_id.pop(session.id, None) is session:
            self._notify(SessionLeft(session.id, session.bytes, reason))
            if not self._by_id:
                self._some.clear()

    def say_unread(self, stream: str, who: str) -> None:
        """An address leaves too much unread: a line of the log, one a minute."""
        now = time.monotonic()
        if now - self._said_at >= SAY_SECONDS:
            self._said_at = now
            text = "stream %s: viewers of %s leave %d MiB unread: those who lag wait for key frames"
            log.warning(text, stream, who, self.unread.limit >> 20)

    def end(self, session_id: str, reason: str) -> None:
        """The supervisor ends a session: its connections are closed."""
        if session := self._by_id.get(session_id):
            for close in list(session.on_close):
                close(reason)

    def tell_all(self) -> None:
        """There is a supervisor that knows nothing yet."""
        held = [
            HeldSession(one.access.ticket, one.bytes, one.dropped_gops)
            for one in self._by_id.values()
            if one.access.ticket
        ]
        for start in range(0, len(held), HELD_PER_NOTICE):
            self._notify(SessionsHeld(held[start : start + HELD_PER_NOTICE]))

    def changed(self) -> list[SessionReport]:
        """Reports of the sessions that moved bytes since the last call, now and then of all."""
        self._updates += 1
        everyone = self._updates % ALIVE_EVERY_UPDATES == 0
        return [
            session.report()
            for session in self._by_id.values()
            if everyone or session.bytes != session.reported_bytes
        ]

    async def run(self) -> None:
        """Report each second until cancelled; without sessions there is nothing to wake up for."""
        while True:
            await self._some.wait()
            await next_round(UPDATE_SECONDS)
            if reports := self.changed():
                self._notify(SessionsMoved(reports))
