"""The event router: who hears of what happens to sessions, streams and jobs.

The session registry, the media workers, the placement of streams and of jobs tell what happens;
here it is said what follows from it: connections and sessions that end, jobs that are wished for,
alerts, and the events for the sinks.
"""

from media_api.protocols import switch_of

from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.catalog import Catalog, Changes
from media_streamer.supervisor.delivery import may_be_played, seal_of
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.events.fields import session_fields, stream_fields
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.name_quota import NameQuota
from media_streamer.supervisor.ports import Ports
from media_streamer.supervisor.pushes import push_event, push_jobs
from media_streamer.supervisor.session_log import SessionLog
from media_streamer.supervisor.sessions import Session, SessionRegistry
from media_streamer.supervisor.transcoders import TranscoderProcesses
from media_streamer.supervisor.verdicts import ask_soon, auth_spec
from media_streamer.wire.control import Job, JobReport, StreamEvent


class SessionNews:
    """Hears of every session (`sessions.SessionListener`)."""

    def __init__(
        self, bus: EventBus, egress: EgressWorkers, ended: SessionLog | None = None
    ) -> None:
        self._bus = bus
        self._egress = egress
        self._ended = ended or SessionLog()

    def opened(self, session: Session) -> None:
        self._emit("play_opened", session)

    def started(self, session: Session) -> None:
        self._emit("play_started", session)

    def closed(self, session: Session, workers: tuple[str, ...]) -> None:
        self._emit("play_closed", session)
        if self._ended.is_kept:
            self._ended.add({**session.info(), "reason": session.close_reason})
        self._egress.close_session(session.id, workers, session.close_reason)

    def _emit(self, event: str, session: Session) -> None:
        if session.kind == "play":  # the media worker tells of publishers
            self._bus.emit(event, **session_fields(session))


class JobNews:
    """Hears of every report of a job (`jobs.JobListener`)."""

    def __init__(self, bus: EventBus, ended: SessionLog | None = None) -> None:
        self._bus = bus
        self._ended = ended or SessionLog()

    def reported(self, job: Job, before: JobReport | None, now: JobReport | None) -> None:
        if (told := push_event(job, before, now)) is not None:
            event, fields = told
            self._bus.emit(event, **fields)
            if event == "push_closed":
                kept = {key: value for key, value in fields.items() if key != "media"}
                self._ended.add({"type": "push", "name": job.stream, **kept})


class StreamNews:
    """Hears of every stream (`streams.StreamListener`)."""

    def __init__(
        self,
        bus: EventBus,
        catalog: Catalog,
        sessions: SessionRegistry,
        jobs: JobPlacement,
        quota: NameQuota,
        alerts: Alerts,
        ports: Ports,
        archives: Archives,
        ended: SessionLog | None = None,
        transcoders: TranscoderProcesses | None = None,
    ) -> None:
        self._archives = archives
        self._transcoders = transcoders
        self._ended = ended or SessionLog()
        self._bus = bus
        self._catalog = catalog
        self._sessions = sessions
        self._jobs = jobs
        self._quota = quota
        self._alerts = alerts
        self._ports = ports
        self._open: set[str] = set()
        """Streams whose worker said stream_opened, and that were not said to be closed yet."""

    def catalogued(self, changes: Changes) -> None:
        """Of the streams that changed alone: thousands that stay cost nothing."""
        self._quota.gone(changes.removed)
        self._alerts.streams_changed(changes)
        self._ports.streams_changed(changes)
        self._archives.streams_changed(changes)
        if self._transcoders is not None:
            self._transcoders.configured(changes.changed)
        for name in changes.removed:
            self._jobs.wish(name, ())
        for name in changes.added | changes.changed:
            if (stream := self._catalog.streams.get(name)) is not None:
                self._jobs.wish(name, push_jobs(stream.config))

    def adopted(self, names: set[str]) -> None:
        """These were opened in the time of a supervisor that was killed."""
        self._open |= names

    def changed(self, name: str) -> None:
        """Its configuration is another one: sessions that it no longer allows end, those that
        other rules let in are asked about."""
        stream = self._catalog.streams.get(name)
        if stream is None:
            return
        self.allowed(name)
        everybody = (
            *self._sessions.of_stream(name),
            *self._sessions.of_stream(name, "publish"),
        )
        ask_soon(
            one for one in everybody if one.is_judged and auth_spec(stream, one.kind) != one.rules
        )

    def allowed(self, name: str) -> None:
        """Sessions that its configuration does not allow end."""
        stream = self._catalog.streams.get(name)
        if stream is None:
            return
        protocols = stream.config.protocols
        seal, refused = seal_of(stream), not may_be_played(stream)
        for session in self._sessions.of_stream(name):
            switch = "" if session.is_relay else switch_of(session.proto)
            if protocols and switch and not protocols.allows(switch):
                self._sessions.close(session.id, "protocol denied")
            elif refused or session.sealed != seal:
                self._sessions.close(session.id, "encryption changed")

    def gone(self, name: str, reason: str) -> None:
        """It shall not run any more."""
        self._sessions.close_stream(name, reason)
        self.stopped(name, reason)
        if name not in self._catalog.streams:
            self._sessions.forget_stream(name)

    def happened(self, told: StreamEvent) -> None:
        """A media worker tells something of a stream or of its inputs."""
        if told.event == "stream_closed":
            self.stopped(told.name, told.reason or "")
            return
        if told.event == "stream_opened":
            self._open.add(told.name)
        self._emit(told)

    def stopped(self, name: str, reason: str) -> None:
        """It runs no longer: told once, whoever says it first."""
        if name in self._open:
            self._open.discard(name)
            self._emit(StreamEvent(name, "stream_closed", reason=reason))

    def _emit(self, told: StreamEvent) -> None:
        fields = stream_fields(told, self._sessions.of_stream(told.name, "publish"))
        if told.event == "stream_closed":
            fields["bytes_out"] = self._sessions.totals(told.name).bytes
        self._bus.emit(told.event, **fields)
        if told.event == "source_closed" and fields["type"] == "ingest" and fields["bytes"]:
            kept = {key: value for key, value in fields.items() if key != "media"}
            self._ended.add({"name": told.name, **kept})
