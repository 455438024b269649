"""The server as its API sees it (`api.port.Server`): parts to work on, and what is said of them."""

from typing import Any

from media_rest.guessing import GuessLimiter

from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.applier import ConfigurationApplier
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.backend import Backend
from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.cluster.servers import OtherServers
from media_streamer.supervisor.configuration import Configuration, config_error
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.file_shelf import FileShelf
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.pulse import Pulse
from media_streamer.supervisor.pushes import push_stats, push_sum
from media_streamer.supervisor.session_log import SessionLog
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.srt_ports import SrtDoor
from media_streamer.supervisor.stats import ServerStats, stream_stats
from media_streamer.supervisor.streams import StreamControl

JsonObject = dict[str, Any]


class ServerFacade:
    """One per server; it owns nothing."""

    def __init__(
        self,
        configuration: Configuration,
        streams: StreamControl,
        sessions: SessionRegistry,
        jobs: JobPlacement,
        guesses: GuessLimiter,
        access: AccessControl,
        stats: ServerStats,
        bus: EventBus,
        alerts: Alerts,
        backend: Backend,
        applier: ConfigurationApplier,
        archives: Archives,
        others: OtherServers,
        pulse: Pulse,
        ended: SessionLog,
        srt: SrtDoor,
    ) -> None:
        self._srt = srt
        self.configuration = configuration
        self.streams = streams
        self.sessions = sessions
        self.guesses = guesses
        self._jobs = jobs
        self._access = access
        self._stats = stats
        self._bus = bus
        self._alerts = alerts
        self._backend = backend
        self._applier = applier
        self.archives = archives
        self.files = FileShelf()
        self._others = others
        self.history = pulse
        self.ended = ended

    @property
    def ready(self) -> bool:
        return self._applier.is_live

    @property
    def id(self) -> str:
        return self._stats.id

    @property
    def instance(self) -> str:
        return self._others.instance

    @property
    def hostname(self) -> str:
        return self._stats.hostname

    @property
    def status(self) -> str:
        """`streamer_status` of the API."""
        if not self.ready:
            return "starting"
        if self.configuration.problems:
            return "broken_config"
        external = self._backend.status
        if external is not None and external["status"] == "error":
            return "config_external_error"
        return "running"

    def whoami(self) -> JsonObject:
        return self._stats.whoami()

    def statistics(self) -> JsonObject:
        stats = {
            **self._stats.figures(),
            "streamer_status": self.status,
            "config_version": self.configuration.version,
            "events": self._bus.stats(),
            "failed_logins": self.guesses.failures_total,
            "refused_logins": self.guesses.refused_total,
            "srt_dropped_datagrams": self._srt.dropped_datagrams,
        }
        if (error := config_error(self.configuration.problems)) is not None:
            stats["config_error"] = error
        if (external := self._backend.status) is not None:
            stats["config_external_status"] = external
        if alerts := self._alerts.all():
            stats["text_alerts"] = alerts
        return stats

    def stream_statistics(self, stream: Stream) -> JsonObject:
        stats = stream_stats(stream, self.sessions, self.hostname)
        stats |= self.archives.statistics(stream)
        if reports := self._jobs.of_stream(stream.name):
            stats["push"] = push_sum(reports)
        return stats

    def push_statistics(self, stream: Stream) -> list[JsonObject | None]:
        reports = self._jobs.of_stream(stream.name)
        return [push_stats(stream.name, push, reports) for push in stream.config.pushes or ()]

    def recent_events(self, sink: str) -> list[JsonObject]:
        return self._bus.recent(sink)

    def cluster_statistics(self, collection: str, key: str) -> JsonObject | None:
        return self._others.statistics(collection, key)

    def play_token(self, name: str) -> str:
        return self._access.play_token(name)

    async def reauthorize(self, name: str) -> int:
        return await self._access.rechecks.of_stream(name)
