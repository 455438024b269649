"""May this client play or publish this stream? Every request of every protocol is decided here.

Order: the name (known, made from a template, asked of the configuration backend), whether it runs,
the switch of its protocol, the password of publishers, the token rules of the server, the session
that the request belongs to, authorisation, limits, and only then a new session. Other servers of
the cluster and operators (`play_tokens`) are not asked for authorisation, nor held by limits.

Invariants: a refusal says why and creates nothing; a decision is kept for as long as the backend
said, so that an HLS viewer costs one question, and an open session outlives a backend that is down.
"""

import logging
import random
import time
import uuid
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

from media_api.protocols import session_kind, switch_of
from media_api.server import ServerConfig
from media_auth.authorize import asks_backend
from media_auth.http_backend import HttpBackend
from media_auth.rules import Scripts
from media_auth.verdict import Verdict, allow
from media_rest.credentials import CredentialsError, parse_authorization, same_secret
from media_rest.guessing import GuessLimiter
from msgspec.structs import replace

from media_streamer import digest
from media_streamer.supervisor.catalog import Catalog, Stream
from media_streamer.supervisor.cluster.directing import Director
from media_streamer.supervisor.delivery import (
    archive_of,
    delivery_config,
    folders_of,
    may_be_played,
    passage_of,
    seal_of,
)
from media_streamer.supervisor.geoip import GeoIp
from media_streamer.supervisor.locations import Locations, is_ts_file
from media_streamer.supervisor.play_tokens import USER, PlayTokens
from media_streamer.supervisor.rechecks import Rechecks, is_soft, user_limit
from media_streamer.supervisor.session_quota import SessionQuota
from media_streamer.supervisor.sessions import (
    Session,
    SessionRegistry,
    session_key,
)
from media_streamer.supervisor.tickets import write_ticket
from media_streamer.supervisor.verdicts import Verdicts, auth_spec
from media_streamer.wire.control import AccessRequest, Granted, Refusal

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 255
_READ_HERE = frozenset({"mp4", "m4f", "player", "api"})
"""Of archives and files, egress workers send these by themselves, as they do segments."""
ENCRYPTED_PROTOCOLS = frozenset({"hls", "llhls", "player", "api"})
"""What a stream is played by whose segments are encrypted; the last two send nothing of it."""
SOFT_SECONDS = (30.0, 90.0)
"""Who changes channels leaves sessions behind that take this long to end (`soft_limitation`)."""
SOFT_SESSIONS = 5
"""So many above the limit at most."""
_TOO_MANY = Refusal(
    503, "address_sessions_limit", "Your address opens too many sessions; try again"
)
_EXPIRED = Refusal(403, "token_expired", "The play token has expired: ask for another one")


class Streams(Protocol):
    """What the decision needs of the rest of the supervisor."""

    @property
    def config(self) -> ServerConfig: ...

    @property
    def catalog(self) -> Catalog: ...

    async def find(self, name: str, kind: str) -> Stream | None:
        """The stream, fetched from the backend if need be; what a template would make of the name
        is no stream yet."""

    def keep(self, stream: Stream, ip: str) -> Stream | None:
        """Make what was found a stream, for who asks from this address; None if it may not be."""

    async def where(self, stream: Stream) -> tuple[str, int] | None:
        """Socket of its media worker and epoch, started if it is on demand; None if nowhere."""

    async def reader(self, stream: Stream, folders: frozenset[Path]) -> str:
        """Socket of a media worker that may play what lies below these folders."""


class AccessControl:
    """Decides; keeps the decisions and the sessions."""

    def __init__(
        self,
        streams: Streams,
        sessions: SessionRegistry,
        backend: HttpBackend,
        hostname: str,
        guesses: GuessLimiter,
        geoip: GeoIp,
        director: Director,
        scripts: Scripts | None = None,
    ) -> None:
        self._guesses = guesses
        self._director = director
        self._geoip = geoip
        self._streams = streams
        self._sessions = sessions
        self._locations = Locations()
        self._quota = SessionQuota()
        self._play_tokens = PlayTokens()
        self._verdicts = Verdicts(streams, sessions, backend, hostname, geoip, scripts)
        self.rechecks = Rechecks(streams, sessions, self._verdicts)

    async def decide(self, request: AccessRequest) -> Granted | Refusal:
        """What the egress worker is told."""
        if not request.name or len(request.name) > MAX_NAME_LENGTH:
            return Refusal(404, "stream_not_found", "There is no such stream")
        relay = self._is_relay(request)
        if not relay and (refused := self._check_token(request)) is not None:
            return refused
        if (sent := self._director.balance(request, self._geoip.country_of)) is not None:
            return sent
        stream = await self._streams.find(request.name, request.kind)
        if stream is not None and is_ts_file(stream, request.proto, request.path):
            # Of a location NAME.ts is the file itself.
            request = replace(request, name=f"{request.name}.ts", proto="mp4")
            stream = await self._streams.find(request.name, request.kind)
        if stream is None:
            return Refusal(404, "stream_not_found", f"There is no stream {request.name!r}")
        if (sent := self._elsewhere(stream, request, relay)) is not None:
            return sent
        if (refused := self._check_stream(stream, request, relay)) is not None:
            return refused
        token = request.token if relay else self._token(stream, request)
        until = None if relay else self._operator_until(stream, request)
        operator = until is not None
        trusted = relay or operator
        key = self._key(stream, request, token, relay=relay, operator=operator)
        session = self._existing(stream, request, key)
        if session is None:
            if until is not None and until <= time.time():
                return _EXPIRED
            # What a player begins with comes as a burst for one session.
            counted = request.kind == "play" and not relay and not self._verdicts.is_asking(key)
            if counted and not self._quota.take(request.ip, time.monotonic()):
                return _TOO_MANY
            verdict = allow() if trusted else await self._verdicts.of(stream, request, token, key)
            if not verdict.allowed:
                return _refusal_of(verdict)
            if (
                not trusted
                and (refused := self._check_limits(stream, request, token, verdict)) is not None
            ):
                return refused
        # Only now: whom the rules refuse makes no stream of a template.
        stream = self._streams.keep(stream, request.ip)
        if stream is None:
            return Refusal(404, "stream_not_found", f"There is no stream {request.name!r}")
        stream.used_at = time.monotonic()
        asks_further = request.archive and not request.own_archive
        passage = passage_of(stream, self._streams.config) if asks_further else None
        nowhere = passage is None and archive_of(stream, self._streams.config) is None
        if request.archive and nowhere and stream.location is None:
            return Refusal(404, "no_archive", "The stream has no archive (dvr)")
        if (refused := await self._locations.refusal(stream, request.proto)) is not None:
            return refused
        # What is recorded is there also while the stream does not run.
        lies_there = request.archive or stream.location is not None
        place = ("", 0) if lies_there else await self._streams.where(stream)
        if place is None:
            title = stream.problem or "The stream is being started, try again"
            return Refusal(503, "stream_not_running", title)
        # The wait above may have let a request of the same session in.
        session = session or self._existing(stream, request, key)
        if session is None:
            # The waits above may have let a configuration in that allows less.
            if (refused := self._check_stream(stream, request, relay)) is not None:
                return refused
            # Others were let in meanwhile: what is counted and what is opened must be one step.
            if (
                not trusted
                and (refused := self._check_limits(stream, request, token, verdict)) is not None
            ):
                return refused
            session = self._open(
                stream, request, token, key, verdict, relay=relay, operator=operator
            )
        reader = ""
        needs_none = session_kind(request.proto) == "segmented" or request.proto in _READ_HERE
        if lies_there and not needs_none:
            folders = folders_of(stream, self._streams.config)
            reader = await self._streams.reader(stream, folders)
        socket, epoch = place
        published = bool(self._sessions.of_stream(stream.name, "publish"))
        config = delivery_config(stream, self._streams.config, is_published=published)
        if passage is not None:
            config = replace(config, passage=passage)
        is_open = self._sessions.get(session.id) is session  # a picture opens none
        ticket = write_ticket(session) if is_open else b""
        return Granted(
            session.id, stream.name, socket, epoch, token, config, session.country, ticket, reader,
            relay,
        )  # fmt: skip

    def play_token(self, name: str) -> str:
        """By it an operator opens sessions of this stream for `play_tokens.LIFE_SECONDS`."""
        return self._play_tokens.make(name, self._streams.config.cluster_key, time.time())

    def close(self) -> None:
        """Give up the questions that are under way."""
        self._verdicts.close()

    def forget(self) -> None:
        """Ask again for new sessions: the rules changed."""
        self._verdicts.forget()

    def _is_relay(self, request: AccessRequest) -> bool:
        """True for a streamer of the cluster that plays the stream to pass it on.

        It proves that with the cluster key. What is found by address and token others could share:
        so segments are given to who asks for what is recorded, or for what this server has itself:
        each such request shows the key, and is of a session of its own.
        """
        key = self._streams.config.cluster_key
        if not (key and request.authorization) or request.kind != "play":
            return False
        alone = request.archive or request.own_archive
        if session_kind(request.proto) == "segmented" and not alone:
            return False
        try:
            credentials = parse_authorization(request.authorization)
        except CredentialsError:
            return False
        if credentials is None:
            return False
        return credentials.is_cluster(key, time.time()) or credentials.is_bearer(key)

    def _operator_until(self, stream: Stream, request: AccessRequest) -> int | None:
        """Until when (Unix seconds) an operator may open a session, None for everybody else."""
        if request.kind != "play":
            return None
        key = self._streams.config.cluster_key
        return self._play_tokens.end_of(request.token, stream.name, key)

    def _check_stream(self, stream: Stream, request: AccessRequest, relay: bool) -> Refusal | None:
        if stream.config.disabled and not request.archive:
            return Refusal(404, "stream_disabled", stream.problem or "The stream is disabled")
        if request.kind == "publish":
            return self._check_publisher(stream, request)
        if request.proto == "mp4" and stream.location is None and not request.archive:
            return Refusal(404, "not_found", "There is no such file")
        if not may_be_played(stream):
            return Refusal(403, "drm_not_supported", "This server cannot encrypt the stream (drm)")
        if stream.config.drm is not None and request.proto not in ENCRYPTED_PROTOCOLS:
            title = "The stream is encrypted (drm): it is played by HLS alone"
            return Refusal(403, "drm_hls_only", title)
        if request.proto == "m4f" and not relay:
            return Refusal(403, "cluster_only", "Only servers with the cluster key get frames")
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

    def _check_token(self, request: AccessRequest) -> Refusal | None:
        """`auto_token false`: whoever brings no token is refused at once, whatever he asks for."""
        config = self._streams.config
        if config.auto_token is not False or request.token:
            return None
        return Refusal(403, "no_token", f"The request lacks the parameter {config.auth_token}")

    def _elsewhere(self, stream: Stream, request: AccessRequest, relay: bool) -> Refusal | None:
        """The answer where another server of the cluster has the stream."""
        if not relay:
            return self._director.send_on(stream, request)
        if stream.elsewhere is not None and stream.elsewhere.captured:
            # Whoever pulls it from here believes that it is captured here.
            title = f"The stream is captured by {stream.elsewhere.hostname}"
            return Refusal(409, "captured_elsewhere", title)
        return None

    def _token(self, stream: Stream, request: AccessRequest) -> str:
        """The token after the rules of the server: as sent, made, or empty."""
        if request.token or self._streams.config.auto_token != "uuid":
            return request.token
        # Every viewer gets one, but a publisher only where somebody asks for it.
        if request.kind != "play" and not asks_backend(auth_spec(stream, request.kind)):
            return ""
        return str(uuid.uuid4())

    @staticmethod
    def _key(
        stream: Stream, request: AccessRequest, token: str, *, relay: bool, operator: bool
    ) -> str:
        """Identity of a session: name, ip, proto, and what else `session_keys` names."""
        spec = auth_spec(stream, request.kind)
        extra = spec.session_keys if spec is not None and spec.session_keys else ["token"]
        query = dict(parse_qsl(request.qs, max_num_fields=100)) if extra != ["token"] else {}
        more = [
            f"{key}={token if key == 'token' else query.get(key, '')}"
            for key in extra
            if key not in {"name", "ip", "proto"}
        ]
        if request.archive:
            more.append("archive")
        if relay:
            more.append("relay")
        if operator:  # whatever `session_keys` says: no viewer shares his session
            more.append(f"operator={token}")
        return session_key([stream.name, request.ip, request.proto, request.kind, *more])

    def _existing(self, stream: Stream, request: AccessRequest, key: str) -> Session | None:
        if session_kind(request.proto) != "segmented" or request.kind != "play":
            return None
        session = self._sessions.get(request.session_hint) if request.session_hint else None
        # A hint is the client's word: it must not carry a session to another stream or address.
        if session is not None and (
            not session.is_judged or session.name != stream.name or session.ip != request.ip
        ):
            session = None
        return session or self._sessions.by_key(key)

    def _check_limits(
        self, stream: Stream, request: AccessRequest, token: str, verdict: Verdict
    ) -> Refusal | None:
        if request.kind != "play" or session_kind(request.proto) == "uncounted":
            return None
        limit = self._streams.config.max_sessions
        if limit and self._sessions.clients >= limit:
            title = f"The server has its {limit} sessions (max_sessions)"
            return Refusal(503, "too_many_sessions", title)
        most = user_limit(stream, verdict)
        owner = verdict.user_id or token
        above = SOFT_SESSIONS if is_soft(stream) else 0
        if most and owner and len(self._sessions.of_owner(owner)) >= most + above:
            title = f"The user has {most} sessions already"
            return Refusal(403, "user_sessions_limit", title)
        return None

    def _open(
        self,
        stream: Stream,
        request: AccessRequest,
        token: str,
        key: str,
        verdict: Verdict,
        *,
        relay: bool,
        operator: bool,
    ) -> Session:
        kind = session_kind(request.proto)
        segmented = kind == "segmented" and request.kind == "play"
        spec = auth_spec(stream, request.kind)
        session = Session(
            id=self._verdicts.take_id(key),
            name=stream.name,
            kind=request.kind,
            proto=request.proto,
            ip=request.ip,
            key=key if segmented else "",
            # A play token opens more sessions for a while: nobody is told it.
            token="" if operator else token,
            query_string="" if operator else request.qs,
            user_agent=request.user_agent,
            referer=request.referer,
            country=self._geoip.country_of(request.ip),
            user_id=USER if operator else verdict.user_id,
            owner="" if operator else verdict.user_id or token,
            max_sessions=user_limit(stream, verdict),
            soft_limitation=is_soft(stream),
            is_relay=relay,
            is_operator=operator,
            dvr=request.archive,
            location=stream.location.prefix if stream.location is not None else "",
            sealed=seal_of(stream),
            rules=spec,
        )
        if session.soft_limitation and self.rechecks.is_above(session, session.max_sessions):
            session.counted_at = time.monotonic() + random.uniform(*SOFT_SECONDS)
        if asks_backend(spec) and session.is_judged:
            session.recheck_at = time.monotonic() + verdict.auth_seconds
        if kind == "uncounted":
            session.id = session.id or str(uuid.uuid4())
            return session
        return self._sessions.open(session)


def _refusal_of(verdict: Verdict) -> Refusal:
    return Refusal(verdict.status, verdict.code, verdict.title, verdict.location)
