"""Viewers who send many short requests that are one session: HLS, DASH.

A session is known by stream, protocol, address and token (the identity of the supervisor's too), so
the supervisor is asked once a session and worker, not once a segment. It ends `IDLE_SECONDS` after
its last request.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from media_streamer.egress.access import Access, PassOn
from media_streamer.egress.hub import Hub
from media_streamer.egress.served_sessions import ServedSession
from media_streamer.rounds import next_round
from media_streamer.wire.control import AccessRequest

IDLE_SECONDS = 60.0
"""Longer than the longest pause of a player: a full buffer of a few segments."""
SWEEP_SECONDS = 5.0
MAX_SESSIONS = 100_000

Key = tuple[str, str, str, str]


class Request(Protocol):
    """What a request tells of its session."""

    @property
    def name(self) -> str: ...

    @property
    def ip(self) -> str: ...

    @property
    def token(self) -> str: ...

    @property
    def proof(self) -> str:
        """What another server of the cluster shows to be one; nobody else shares its session."""

    @property
    def is_of_server(self) -> bool:
        """It wants what this server has itself."""

    def access_request(self, proto: str) -> AccessRequest:
        """The question to the supervisor, made once a session."""

    def note(self, access: Access) -> None:
        """This is the session that the request is a part of."""


@dataclass(slots=True, eq=False)
class SegmentedSession:
    """A viewer; `session.bytes` is counted up by the handlers."""

    access: Access
    session: ServedSession
    key: Key
    used_at: float

    def count(self, size: int) -> None:
        self.session.bytes += size


class SegmentedSessions:
    """Such viewers of this worker."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: OrderedDict[Key, SegmentedSession] = OrderedDict()
        """The idlest first."""
        self._asking: dict[Key, asyncio.Task[SegmentedSession]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def find(
        self, request: Request, proto: str, *, archive: bool = False
    ) -> SegmentedSession:
        """The session that a request belongs to, opened if need be; raises AccessDenied, and PassOn
        for what another server has recorded.

        `archive`: it plays what is recorded, which is a session of its own.
        """
        key = (request.name, _kind(proto, archive), request.ip, request.token)
        asked = None
        if archive or request.is_of_server:
            asked = replace(request.access_request(proto), archive=archive)
            key = (*key[:3], archive_token(key[3], request.proof, own=asked.own_archive))
        found = self._known.get(key)
        if found is None:
            found = await self._ask(key, asked or request.access_request(proto))
        self.use(found)
        request.note(found.access)
        if found.access.config.passage is not None:
            raise PassOn(found.access, found.session, place=(self, key[1]))
        return found

    def known(self, key: Key) -> SegmentedSession | None:
        """The session of such a stream, protocol, address and token, if it runs here."""
        return self._known.get(key)

    def use(self, viewer: SegmentedSession) -> bool:
        """A request of this viewer comes now; False if its session has ended."""
        viewer.used_at = time.monotonic()
        if self._known.get(viewer.key) is not viewer:
            return False
        self._known.move_to_end(viewer.key)
        return True

    async def run(self) -> None:
        """End idle sessions until cancelled."""
        while True:
            await next_round(SWEEP_SECONDS)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """End the sessions without a request in the last `IDLE_SECONDS`."""
        for key, known in list(self._known.items()):
            if now - known.used_at > IDLE_SECONDS:
                self._forget(key, known, "timeout")

    async def _ask(self, key: Key, request: AccessRequest) -> SegmentedSession:
        """One question at a time for requests of one viewer that come together."""
        task = self._asking.get(key)
        if task is None or task.done():
            task = self._asking[key] = asyncio.create_task(self._open(request))
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _asked(self, key: Key, task: asyncio.Task[SegmentedSession]) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            task.exception()  # seen here: the request that waited for it may be gone

    async def _open(self, request: AccessRequest) -> SegmentedSession:
        access = await self._hub.leave(request)
        # A token made by the server is not the one of the request: two viewers behind one address
        # that came without a token are two sessions.
        kind = _kind(request.proto, request.archive)
        # So are two servers; what proves nothing makes none, or any number would cost nothing.
        token, proof = access.token, request.authorization if access.relay else ""
        if request.archive or (request.own_archive and proof):
            token = archive_token(token, proof, own=request.own_archive)
        key = (request.name, kind, request.ip, token)
        if known := self._known.get(key):
            if known.access.session_id == access.session_id:
                return known
            self._forget(key, known, "replaced")
        if len(self._known) >= MAX_SESSIONS:
            idlest = next(iter(self._known))
            self._forget(idlest, self._known[idlest], "too many sessions")
        session = self._hub.sessions.open(access)
        opened = self._known[key] = SegmentedSession(access, session, key, time.monotonic())
        session.on_close.add(lambda reason: self._forget(key, opened, reason))
        return opened

    def _forget(self, key: Key, known: SegmentedSession, reason: str) -> None:
        if self._known.get(key) is known:
            del self._known[key]
            self._hub.sessions.leave(known.session, reason)


def archive_token(token: str, proof: str, *, own: bool) -> str:
    """Who asks for what is recorded, or is a server, in the place of the token alone: `proof` of a
    server, and whether it wants what this one has itself."""
    return f"{token}{proof}{own}"


def _kind(proto: str, archive: bool) -> str:
    return f"{proto} archive" if archive else proto
