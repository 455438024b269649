"""Whether open sessions may go on: what let them in was said for a while only, and rules change.

Invariants: a backend that cannot be asked cuts nobody off; of the sessions of a user the latest go,
where he may have fewer now than he has.
"""

import asyncio
import itertools
import logging
import time
from typing import Protocol

from media_auth.authorize import asks_backend
from media_auth.verdict import Verdict, allow, deny

from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.sessions import Session, SessionRegistry
from media_streamer.supervisor.verdicts import Verdicts, ask_soon, auth_spec

log = logging.getLogger(__name__)


class Finder(Protocol):
    """Who knows streams by their names."""

    async def find(self, name: str, kind: str) -> Stream | None: ...


class Rechecks:
    """Asks again about who was let in; `AccessControl` makes it."""

    def __init__(self, streams: Finder, sessions: SessionRegistry, verdicts: Verdicts) -> None:
        self._streams = streams
        self._sessions = sessions
        self._verdicts = verdicts

    async def run(self, now: float) -> None:
        """Ask the backends about open sessions whose decision has run out."""
        self._verdicts.sweep(now)
        for session in [one for one in self._sessions if one.counted_at and one.counted_at <= now]:
            session.counted_at = None
            self._keep_within(session, session.max_sessions)
        due = [
            session
            for session in self._sessions
            if session.recheck_at is not None and session.recheck_at <= now
        ]
        await asyncio.gather(*(self._recheck(session) for session in due))

    def countries_changed(self) -> None:
        """Sessions whose rules may name countries are asked about again."""
        ask_soon(one for one in self._sessions if one.rules is not None and one.is_judged)

    def rule_sets_changed(self) -> None:
        """Sessions that an `auth_backend` let in are asked about again."""
        named = (
            one
            for one in self._sessions
            if one.is_judged and str(one.rules and one.rules.url).startswith("auth:")
        )
        ask_soon(named)

    async def of_stream(self, name: str) -> int:
        """Ask anew about all sessions of a stream; returns how many."""
        self._verdicts.forget()
        sessions = [*self._sessions.of_stream(name), *self._sessions.of_stream(name, "publish")]
        await asyncio.gather(*(self._recheck(session) for session in sessions))
        return len(sessions)

    async def _recheck(self, session: Session) -> None:
        stream = await self._streams.find(session.name, session.kind)
        if stream is None or not session.is_judged:
            return  # removing a stream closes its sessions
        session.request_number += 1
        session.recheck_at = None  # until the answer is there
        question = self._verdicts.again(session)
        session.rules = spec = auth_spec(stream, session.kind)
        verdict = await self._verdicts.whether(spec, question) if spec is not None else allow()
        if asks_backend(spec):
            session.recheck_at = time.monotonic() + verdict.auth_seconds
        if verdict.allowed:
            session.max_sessions = user_limit(stream, verdict)
            self._keep_within(session, session.max_sessions)
        elif verdict.decided:
            self._cut(session, verdict)

    def is_above(self, session: Session, limit: int | None) -> bool:
        """Whether the sessions that its user opened before it are as many as he may have."""
        if not limit or not session.owner or session.kind != "play":
            return False
        before = itertools.takewhile(
            lambda one: one is not session, self._sessions.of_owner(session.owner)
        )
        return sum(1 for _ in before) >= limit

    def _keep_within(self, session: Session, limit: int | None) -> None:
        """The latest sessions of a user go, where he may have fewer now than he has."""
        if session.counted_at is None and self.is_above(session, limit):
            title = f"The user has {limit} sessions already"
            self._cut(session, deny("user_sessions_limit", title, kept=session.soft_limitation))

    def _cut(self, session: Session, verdict: Verdict) -> None:
        if session.key and verdict.kept:  # others are found anew: the clock may be put right
            self._verdicts.remember(session.key, verdict)
        log.info("stream %s: session %s is denied now, closed", session.name, session.id)
        self._sessions.close(session.id, verdict.code)


def is_soft(stream: Stream) -> bool:
    spec = stream.config.on_play
    return bool(spec and spec.soft_limitation)


def user_limit(stream: Stream, verdict: Verdict) -> int | None:
    """The backend's word first, then the stream's."""
    if verdict.max_sessions is not None:
        return verdict.max_sessions
    spec = stream.config.on_play
    return spec.max_sessions if spec is not None else None
