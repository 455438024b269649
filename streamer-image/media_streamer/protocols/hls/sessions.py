"""HLS viewers: many short requests that are one session.

A session is known by stream, protocol, address and token (the identity of the supervisor's too), so
the supervisor is asked once a session and worker, not once a segment. It ends `IDLE_SECONDS` after
its last request.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from media_streamer.egress.access import Access
from media_streamer.egress.hub import Hub
from media_streamer.egress.sessions import Session
from media_streamer.wire.control import AccessRequest

IDLE_SECONDS = 60.0
"""Longer than the longest pause of a player: a full buffer of a few segments."""
SWEEP_SECONDS = 5.0
MAX_SESSIONS = 100_000

Key = tuple[str, str, str, str]


@dataclass(slots=True, eq=False)
class HlsSession:
    """A viewer; `session.bytes` is counted up by the handlers."""

    access: Access
    session: Session
    key: Key
    used_at: float

    def count(self, size: int) -> None:
        self.session.bytes += size


class HlsSessions:
    """The HLS viewers of this worker."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: OrderedDict[Key, HlsSession] = OrderedDict()
        """The idlest first."""
        self._asking: dict[Key, asyncio.Task[HlsSession]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def find(self, request: AccessRequest) -> HlsSession:
        """The session that a request belongs to, opened if need be; raises AccessDenied."""
        key = (request.name, request.proto, request.ip, request.token)
        found = self._known.get(key)
        if found is None:
            found = await self._ask(key, request)
        found.used_at = time.monotonic()
        place = found.key
        if self._known.get(place) is found:
            self._known.move_to_end(place)
        return found

    async def run(self) -> None:
        """End idle sessions until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """End the sessions without a request in the last `IDLE_SECONDS`."""
        for key, known in list(self._known.items()):
            if now - known.used_at > IDLE_SECONDS:
                self._forget(key, known, "timeout")

    async def _ask(self, key: Key, request: AccessRequest) -> HlsSession:
        """One question at a time for requests of one viewer that come together."""
        task = self._asking.get(key)
        if task is None or task.done():
            task = self._asking[key] = asyncio.create_task(self._open(request))
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _asked(self, key: Key, task: asyncio.Task[HlsSession]) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            task.exception()  # seen here: the request that waited for it may be gone

    async def _open(self, request: AccessRequest) -> HlsSession:
        access = await self._hub.access(request)
        # A token made by the server is not the one of the request: two viewers behind one address
        # that came without a token are two sessions.
        key = (request.name, request.proto, request.ip, access.token)
        if known := self._known.get(key):
            if known.access.session_id == access.session_id:
                return known
            self._forget(key, known, "replaced")
        if len(self._known) >= MAX_SESSIONS:
            idlest = next(iter(self._known))
            self._forget(idlest, self._known[idlest], "too many sessions")
        session = self._hub.sessions.open(access)
        opened = self._known[key] = HlsSession(access, session, key, time.monotonic())
        session.on_close.add(lambda reason: self._forget(key, opened, reason))
        return opened

    def _forget(self, key: Key, known: HlsSession, reason: str) -> None:
        if self._known.get(key) is known:
            del self._known[key]
            self._hub.sessions.leave(known.session, reason)
