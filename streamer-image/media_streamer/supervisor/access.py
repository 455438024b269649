"""May this client play or publish this stream? Every request of every protocol is decided here.

Order: the name (known, made from a template, asked of the configuration backend), whether it runs,
the switch of its protocol, the password of publishers, the token rules of the server, the session
that the request belongs to, authorisation, limits, and only then a new session.

Invariants: a refusal says why and creates nothing; a decision is kept for as long as the backend
said, so that an HLS viewer costs one question, and an open session outlives a backend that is down.
"""

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from typing import Protocol
from urllib.parse import parse_qsl

from media_api.auth import AuthBackendConfig, AuthSpec
from media_api.protocols import session_kind, switch_of
from media_api.server import ServerConfig
from media_auth.authorize import asks_backend, authorize
from media_auth.http_backend import HttpBackend
from media_auth.rules import check_restrictions
from media_auth.verdict import Question, Verdict, allow, deny
from media_rest.credentials import CredentialsError, parse_authorization, same_secret
from media_rest.guessing import GuessLimiter

from media_streamer import digest
from media_streamer.supervisor.catalog import Catalog, Stream
from media_streamer.supervisor.sessions import (
    Session,
    SessionRegistry,
    session_key,
)
from media_streamer.wire.control import AccessRequest, DeliveryConfig, Granted, Refusal

log = logging.getLogger(__name__)

MAX_REMEMBERED_VERDICTS = 20_000
MAX_NAME_LENGTH = 255


class Streams(Protocol):
    """What the decision needs of the rest of the supervisor."""

    @property
    def config(self) -> ServerConfig: ...

    @property
    def catalog(self) -> Catalog: ...

    async def find(self, name: str, kind: str, ip: str = "") -> Stream | None:
        """The stream, made from a template or fetched from the backend if need be."""

    async def where(self, stream: Stream) -> tuple[str, int] | None:
        """Socket of its media worker and epoch, started if it is on demand; None if nowhere."""


class AccessControl:
    """Decides; keeps the decisions and the sessions."""

    def __init__(
        self,
        streams: Streams,
        sessions: SessionRegistry,
        backend: HttpBackend,
        hostname: str,
        guesses: GuessLimiter,
    ) -> None:
        self._guesses = guesses
        self._streams = streams
        self._sessions = sessions
        self._backend = backend
        self._hostname = hostname
        self._verdicts: OrderedDict[str, tuple[float, Verdict]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Verdict]] = {}

    async def decide(self, request: AccessRequest) -> Granted | Refusal:
        """What the egress worker is told."""
        if not request.name or len(request.name) > MAX_NAME_LENGTH:
            return Refusal(404, "stream_not_found", "There is no such stream")
        stream = await self._streams.find(request.name, request.kind, request.ip)
        if stream is None:
            return Refusal(404, "stream_not_found", f"There is no stream {request.name!r}")
        stream.used_at = time.monotonic()
        relay = self._is_relay(request)
        if (refused := self._check_stream(stream, request, relay)) is not None:
            return refused
        token, refused = (request.token, None) if relay else self._token(stream, request)
        if refused is not None:
            return refused
        key = self._key(stream, request, token)
        session = self._existing(stream, request, key)
        if session is None:
            verdict = allow() if relay else await self._verdict(stream, request, token, key)
            if not verdict.allowed:
                return _refusal_of(verdict)
            if (
                not relay
                and (refused := self._check_limits(stream, request, token, verdict)) is not None
            ):
                return refused
        place = await self._streams.where(stream)
        if place is None:
            title = stream.problem or "The stream is being started, try again"
            return Refusal(503, "stream_not_running", title)
        # The wait above may have let a request of the same session in.
        session = session or self._existing(stream, request, key)
        if session is None:
            # Others were let in meanwhile: what is counted and what is opened must be one step.
            if (
                not relay
                and (refused := self._check_limits(stream, request, token, verdict)) is not None
            ):
                return refused
            session = self._open(stream, request, token, key, verdict, relay)
        socket, epoch = place
        config = delivery_config(stream, self._streams.config)
        return Granted(session.id, stream.name, socket, epoch, token, config)

    def close(self) -> None:
        """Give up the questions that are under way."""
        for task in self._asking.values():
            task.cancel()

    def forget(self) -> None:
        """Ask again for new sessions: the rules changed."""
        self._verdicts.clear()

    async def recheck(self, now: float) -> None:
        """Ask the backends about open sessions whose decision has run out."""
        due = [
            session
            for session in self._sessions
            if session.recheck_at is not None and session.recheck_at <= now
        ]
        await asyncio.gather(*(self._recheck(session) for session in due))

    async def reauthorize(self, name: str) -> int:
        """Ask anew about all sessions of a stream; returns how many."""
        self._verdicts.clear()
        sessions = [*self._sessions.of_stream(name), *self._sessions.of_stream(name, "publish")]
        await asyncio.gather(*(self._recheck(session) for session in sessions))
        return len(sessions)

    def stream_changed(self, name: str) -> None:
        """End the sessions that the stream's configuration no longer allows."""
        stream = self._streams.catalog.streams.get(name)
        if stream is None:
            return
        protocols = stream.config.protocols
        for session in self._sessions.of_stream(name):
            switch = "" if session.is_relay else switch_of(session.proto)
            if protocols and switch and not protocols.allows(switch):
                self._sessions.close(session.id, "protocol denied")

    def _is_relay(self, request: AccessRequest) -> bool:
        """True for a streamer of the cluster that plays the stream to pass it on.

        It proves that with the cluster key. Requests of segments are found by address and token,
        so that others could share the session: they are never a relay's.
        """
        key = self._streams.config.cluster_key
        if not (key and request.authorization) or request.kind != "play":
            return False
        if session_kind(request.proto) == "segmented":
            return False
        try:
            credentials = parse_authorization(request.authorization)
        except CredentialsError:
            return False
        return credentials is not None and credentials.is_cluster(key, time.time())

    def _check_stream(self, stream: Stream, request: AccessRequest, relay: bool) -> Refusal | None:
        if stream.config.disabled:
            return Refusal(404, "stream_disabled", stream.problem or "The stream is disabled")
        if request.kind == "publish":
            return self._check_publisher(stream, request)
        if stream.config.drm is not None:
            # In clear is not what its owner asked for.
            return Refusal(403, "drm_not_supported", "This server cannot encrypt the stream (drm)")
        protocols = stream.config.protocols
        switch = switch_of(request.proto)
        if not switch:
            return Refusal(403, "protocol_unknown", f"There is no protocol {request.proto!r} here")
        if protocols and not relay and not protocols.allows(switch):
            return Refusal(403, "protocol_denied", f"The stream may not be played by {switch}")
        return None

    def _check_publisher(self, stream: Stream, request: AccessRequest) -> Refusal | None:
        if not stream.config.accepts_publish:
            title = "The stream takes no publisher: give it an input publish://"
            return Refusal(403, "publish_not_allowed", title)
        password = stream.config.password
        if not password:
            return None
        # Of its own: an encoder with an old password must not keep people out of the API.
        address, login, now = f"publisher {request.ip}", stream.name, time.monotonic()
        given = bool(request.password or request.digest)
        if given and (wait := self._guesses.wait_for(address, login, now)):
            title = f"Too many wrong passwords: wait {wait:.0f} s"
            return Refusal(429, "too_many_failures", title)
        if same_secret(request.password, password) or (
            request.digest is not None and digest.proves(request.digest, password)
        ):
            self._guesses.succeeded(address, login, now)
            return None
        if given:
            self._guesses.failed(address, login, now)  # the caller logs refusals
        return Refusal(403, "wrong_password", "The password of the stream is wrong or missing")

    def _token(self, stream: Stream, request: AccessRequest) -> tuple[str, Refusal | None]:
        """The token after the rules of the server: as sent, made, empty, or refused."""
        if request.token or not asks_backend(_spec(stream, request.kind)):
            return request.token, None
        config = self._streams.config
        if config.auto_token == "uuid":
            return str(uuid.uuid4()), None
        if config.auto_token is False:
            title = f"The request lacks the parameter {config.auth_token}"
            return "", Refusal(403, "no_token", title)
        return "", None

    @staticmethod
    def _key(stream: Stream, request: AccessRequest, token: str) -> str:
        """Identity of a session: name, ip, proto, and what else `session_keys` names."""
        spec = _spec(stream, request.kind)
        extra = spec.session_keys if spec is not None and spec.session_keys else ["token"]
        query = dict(parse_qsl(request.qs, max_num_fields=100)) if extra != ["token"] else {}
        more = [
            f"{key}={token if key == 'token' else query.get(key, '')}"
            for key in extra
            if key not in {"name", "ip", "proto"}
        ]
        return session_key([stream.name, request.ip, request.proto, request.kind, *more])

    def _existing(self, stream: Stream, request: AccessRequest, key: str) -> Session | None:
        if session_kind(request.proto) != "segmented" or request.kind != "play":
            return None
        session = self._sessions.get(request.session_hint) if request.session_hint else None
        # A hint is the client's word: it must not carry a session to another stream or address.
        if session is not None and (session.name != stream.name or session.ip != request.ip):
            session = None
        return session or self._sessions.by_key(key)

    async def _verdict(
        self, stream: Stream, request: AccessRequest, token: str, key: str
    ) -> Verdict:
        spec = _spec(stream, request.kind)
        if spec is None:
            return allow()
        question = self._question(stream, request, token)
        if (refused := check_restrictions(spec, question)) is not None:
            return refused
        remembered = self._verdicts.get(key)
        if remembered is not None and remembered[0] > time.monotonic():
            return remembered[1]
        asking = self._asking.get(key)
        if asking is None:
            # One question for the burst of requests that an HLS player starts with.
            asking = asyncio.create_task(self._ask(spec, question))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        verdict = await asyncio.shield(asking)
        if verdict.kept:
            self._remember(key, verdict)
        elif not verdict.decided and remembered is not None:
            return remembered[1]
        return verdict

    async def _ask(self, spec: AuthSpec, question: Question) -> Verdict:
        try:
            return await authorize(spec, question, self._backend, self._rule_sets())
        except Exception:
            log.exception("stream %s: authorisation failed, access refused", question.name)
            return deny("authorization_failed", "Authorisation failed, see the server's log")

    def _rule_sets(self) -> dict[str, AuthBackendConfig]:
        return {item.name: item for item in self._streams.config.auth_backends}

    def _remember(self, key: str, verdict: Verdict) -> None:
        self._verdicts[key] = (time.monotonic() + verdict.auth_seconds, verdict)
        self._verdicts.move_to_end(key)
        while len(self._verdicts) > MAX_REMEMBERED_VERDICTS:
            self._verdicts.popitem(last=False)

    def _question(self, stream: Stream, request: AccessRequest, token: str) -> Question:
        return Question(
            kind=request.kind,
            name=stream.name,
            proto=request.proto,
            ip=request.ip,
            token=token,
            stream_clients=len(self._sessions.of_stream(stream.name)),
            total_clients=self._sessions.clients,
            qs=request.qs,
            user_agent=request.user_agent,
            referer=request.referer,
            host=self._hostname,
        )

    def _check_limits(
        self, stream: Stream, request: AccessRequest, token: str, verdict: Verdict
    ) -> Refusal | None:
        if request.kind != "play" or session_kind(request.proto) == "uncounted":
            return None
        limit = self._streams.config.max_sessions
        if limit and self._sessions.clients >= limit:
            title = f"The server has its {limit} sessions (max_sessions)"
            return Refusal(503, "too_many_sessions", title)
        user_limit = _user_limit(stream, verdict)
        owner = verdict.user_id or token
        if user_limit and owner and len(self._sessions.of_owner(owner)) >= user_limit:
            title = f"The user has {user_limit} sessions already"
            return Refusal(403, "user_sessions_limit", title)
        return None

    def _open(
        self,
        stream: Stream,
        request: AccessRequest,
        token: str,
        key: str,
        verdict: Verdict,
        relay: bool,
    ) -> Session:
        kind = session_kind(request.proto)
        segmented = kind == "segmented" and request.kind == "play"
        spec = _spec(stream, request.kind)
        session = Session(
            id="",
            name=stream.name,
            kind=request.kind,
            proto=request.proto,
            ip=request.ip,
            key=key if segmented else "",
            token=token,
            query_string=request.qs,
            user_agent=request.user_agent,
            referer=request.referer,
            user_id=verdict.user_id,
            owner=verdict.user_id or token,
            max_sessions=_user_limit(stream, verdict),
            soft_limitation=bool(spec and spec.soft_limitation),
            is_relay=relay,
        )
        if asks_backend(spec) and not relay:
            session.recheck_at = time.monotonic() + verdict.auth_seconds
        if kind == "uncounted":
            session.id = str(uuid.uuid4())
            return session
        return self._sessions.open(session)

    async def _recheck(self, session: Session) -> None:
        stream = await self._streams.find(session.name, session.kind)
        if stream is None or session.is_relay:
            return  # removing a stream closes its sessions
        session.request_number += 1
        session.recheck_at = None  # until the answer is there
        question = Question(
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
            duration=int(time.time() - session.opened_at),
            bytes=session.bytes,
            qs=session.query_string,
            user_agent=session.user_agent,
            referer=session.referer,
            host=self._hostname,
        )
        spec = _spec(stream, session.kind)
        verdict = await self._ask(spec, question) if spec is not None else allow()
        if asks_backend(spec):
            session.recheck_at = time.monotonic() + verdict.auth_seconds
        if verdict.allowed or not verdict.decided:
            return
        if session.key:
            self._remember(session.key, verdict)
        log.info("stream %s: session %s is denied now, closed", session.name, session.id)
        self._sessions.close(session.id, verdict.code)


def delivery_config(stream: Stream, server: ServerConfig) -> DeliveryConfig:
    """What an egress worker must know of the configuration."""
    config = stream.config
    prefix = config.url_prefix if config.url_prefix is not None else server.url_prefix
    return DeliveryConfig(
        segment_duration=config.segment_duration or _UNSAID.segment_duration,
        segment_count=config.segment_count or _UNSAID.segment_count,
        chunk_duration=config.chunk_duration or _UNSAID.chunk_duration,
        url_prefix=prefix or "",
        add_audio_only=bool(config.add_audio_only),
        dash_update_period=config.dash_update_period or 0.0,
        title=config.title or "",
        provider=config.provider or "",
        static=config.static,
        auth_token=server.auth_token,
        protocols=config.protocols.explicit() if config.protocols else {},
    )


_UNSAID = DeliveryConfig()


def _spec(stream: Stream, kind: str) -> AuthSpec | None:
    return stream.config.on_play if kind == "play" else stream.config.on_publish


def _user_limit(stream: Stream, verdict: Verdict) -> int | None:
    """The backend's word first, then the stream's."""
    if verdict.max_sessions is not None:
        return verdict.max_sessions
    spec = stream.config.on_play
    return spec.max_sessions if spec is not None else None


def _refusal_of(verdict: Verdict) -> Refusal:
    return Refusal(verdict.status, verdict.code, verdict.title, verdict.location)
