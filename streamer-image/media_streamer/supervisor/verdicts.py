"""What the authorisation backends say, asked once for a burst of requests and kept for a while.

Invariants: a decision is kept for as long as the backend said; one that cannot be had now leaves
the last one in force, if that ran out within the hour; what fails here refuses.
"""

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

from media_api.auth import AuthBackendConfig, AuthSpec
from media_api.server import ServerConfig
from media_auth.authorize import authorize
from media_auth.http_backend import HttpBackend
from media_auth.rules import Scripts, check_restrictions
from media_auth.verdict import Question, Verdict, allow, deny

from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.geoip import GeoIp
from media_streamer.supervisor.sessions import Session, SessionRegistry
from media_streamer.wire.control import AccessRequest

log = logging.getLogger(__name__)

MAX_REMEMBERED_VERDICTS = 20_000
LATE_SECONDS = 3600.0
"""A decision that has run out for so long is forgotten: nobody is let in by what was true once."""
SWEEP_SECONDS = 60.0
RECHECKS_PER_SECOND = 500
"""Questions about sessions that are open, after a change of their rules."""


class Configured(Protocol):
    """Who has the configuration."""

    @property
    def config(self) -> ServerConfig: ...


class Verdicts:
    """Asks, and keeps the answers."""

    def __init__(
        self,
        streams: Configured,
        sessions: SessionRegistry,
        backend: HttpBackend,
        hostname: str,
        geoip: GeoIp,
        scripts: Scripts | None = None,
    ) -> None:
        self._scripts = scripts
        self._streams = streams
        self._sessions = sessions
        self._backend = backend
        self._hostname = hostname
        self._geoip = geoip
        self._verdicts: OrderedDict[str, tuple[float, Verdict]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Verdict]] = {}
        self._ids: OrderedDict[str, str] = OrderedDict()
        """Of sessions that were asked about and are not open yet, by key."""
        self._swept_at = 0.0

    def forget(self) -> None:
        """Ask again: the rules changed."""
        self._verdicts.clear()

    def sweep(self, now: float) -> None:
        """Forget what ran out long ago, once a minute; `now` in monotonic seconds."""
        if now - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = now
        late = [key for key, (end, _) in self._verdicts.items() if now - end > LATE_SECONDS]
        for key in late:
            del self._verdicts[key]

    def close(self) -> None:
        """Give up the questions that are under way."""
        for task in self._asking.values():
            task.cancel()

    async def of(self, stream: Stream, request: AccessRequest, token: str, key: str) -> Verdict:
        """The decision about a request; `key` is what its session is recognised by."""
        spec = auth_spec(stream, request.kind)
        if spec is None:
            return allow()
        question = self._question(stream, request, token, self._id_of(key))
        if (refused := check_restrictions(spec, question, self._geoip.countries)) is not None:
            return refused
        remembered = self._verdicts.get(key)
        if remembered is not None and remembered[0] > time.monotonic():
            return remembered[1]
        asking = self._asking.get(key)
        if asking is None:
            # One question for the burst of requests that an HLS player starts with.
            asking = asyncio.create_task(self.ask(spec, question))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        verdict = await asyncio.shield(asking)
        if verdict.kept:
            self.remember(key, verdict)
        elif not verdict.decided and remembered is not None:
            return remembered[1]
        return verdict

    def is_asking(self, key: str) -> bool:
        """Whether that decision is under way."""
        return key in self._asking

    async def whether(self, spec: AuthSpec, question: Question) -> Verdict:
        """Whether an open session may go on, by restrictions and rules."""
        refused = check_restrictions(spec, question, self._geoip.countries)
        return await self.ask(spec, question) if refused is None else refused

    async def ask(self, spec: AuthSpec, question: Question) -> Verdict:
        """What the rules say now. Never raises."""
        try:
            countries = self._geoip.countries
            return await authorize(
                spec, question, self._backend, self._rule_sets(), countries, self._scripts
            )
        except Exception:
            log.exception("stream %s: authorisation failed, access refused", question.name)
            return deny("authorization_failed", "Authorisation failed, see the server's log")

    def _rule_sets(self) -> dict[str, AuthBackendConfig]:
        return {item.name: item for item in self._streams.config.auth_backends}

    def remember(self, key: str, verdict: Verdict) -> None:
        """It holds for as long as it says."""
        self._verdicts[key] = (time.monotonic() + verdict.auth_seconds, verdict)
        self._verdicts.move_to_end(key)
        while len(self._verdicts) > MAX_REMEMBERED_VERDICTS:
            self._verdicts.popitem(last=False)

    def _id_of(self, key: str) -> str:
        """The identifier that the session of this key gets if it is opened."""
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = str(uuid.uuid4())
            while len(self._ids) > MAX_REMEMBERED_VERDICTS:
                self._ids.popitem(last=False)
        return found

    def take_id(self, key: str) -> str:
        """For the session that is opened now: the one that was asked about. Empty if none was."""
        return self._ids.pop(key, "")

    def _question(
        self, stream: Stream, request: AccessRequest, token: str, session_id: str
    ) -> Question:
        return Question(
            kind=request.kind,
            name=stream.name,
            proto=request.proto,
            ip=request.ip,
            token=token,
            session_id=session_id,
            stream_clients=len(self._sessions.of_stream(stream.name)),
            total_clients=self._sessions.clients,
            qs=request.qs,
            user_agent=request.user_agent,
            referer=request.referer,
            host=self._hostname,
            dvr=request.archive,
        )

    def again(self, session: Session) -> Question:
        """The question whether an open session may go on."""
        return Question(
            kind=session.kind,
            name=session.name,
            proto=session.proto,
            ip=session.ip,
            token=session.token,
            session_id=session.id,
            request_type="update_session",
            request_number=session.request_number,
            stream_clients=len(self._sessions.of_stream(session.name)),
            total_clients=self._sessions.clients,
            duration=max(0, int(time.time() - session.opened_at)),  # the clock may go back
            bytes=session.bytes,
            qs=session.query_string,
            user_agent=session.user_agent,
            referer=session.referer,
            host=self._hostname,
            dvr=session.dvr,
        )


def ask_soon(sessions: Iterable[Session]) -> None:
    """Their rules are others: they are asked about again, some after the others."""
    now = time.monotonic()
    for number, session in enumerate(sessions):
        session.recheck_at = now + number / RECHECKS_PER_SECOND


def auth_spec(stream: Stream, kind: str) -> AuthSpec | None:
    """The rules of a stream for viewers or publishers."""
    return stream.config.on_play if kind == "play" else stream.config.on_publish
