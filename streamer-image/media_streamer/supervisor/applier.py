"""What a new configuration changes in a running server.

Invariant: only differences are acted on; nothing here waits for a peer.
"""

from media_api.server import ServerConfig
from media_process import logs

from media_streamer.forwarded import signing_key
from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.backend import Backend
from media_streamer.supervisor.certificates import CertificateWatch
from media_streamer.supervisor.cluster.servers import OtherServers
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.geoip import GeoIp
from media_streamer.supervisor.gpus import GpuMonitor
from media_streamer.supervisor.locations import changed_locations
from media_streamer.supervisor.ports import Ports
from media_streamer.supervisor.pulse import Pulse
from media_streamer.supervisor.session_log import SessionLog
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.streams import StreamControl
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import EgressSettings, IceServer, MediaSettings

TURN_SECONDS = 24 * 3600
"""How long credentials for a TURN server hold unless the configuration says otherwise."""


class ConfigurationApplier:
    """`apply` is what `Configuration` calls after each change that holds."""

    def __init__(
        self,
        settings: Settings,
        streams: StreamControl,
        egress: EgressWorkers,
        access: AccessControl,
        ports: Ports,
        backend: Backend,
        alerts: Alerts,
        archives: Archives,
        bus: EventBus,
        tasks: Tasks,
        geoip: GeoIp,
        gpus: GpuMonitor,
        sessions: SessionRegistry,
        others: OtherServers,
        pulse: Pulse,
        ended: SessionLog,
        certificates: CertificateWatch,
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._egress = egress
        self._access = access
        self._ports = ports
        self._backend = backend
        self._alerts = alerts
        self._archives = archives
        self._bus = bus
        self._tasks = tasks
        self._geoip = geoip
        self._gpus = gpus
        self._sessions = sessions
        self._others = others
        self._pulse = pulse
        self._ended = ended
        self._certificates = certificates
        self.is_live = False
        """From the moment that the ports are open: before, workers are told all as they come."""

    def apply(self, old: ServerConfig, new: ServerConfig) -> None:
        """Bring everything in step with a new configuration."""
        if new.loglevel != old.loglevel:
            logs.set_level(new.loglevel)
        self._bus.apply(new.event_sinks)
        self._streams.apply(self._streams.catalog.set_config(new))
        if old.dvrs != new.dvrs:
            self._archives.configured()
        self._archives.tell_workers()
        if old.vods != new.vods:
            self._streams.vods_changed()
            for location in changed_locations(old, new):
                self._sessions.close_location(location, "location changed")
        if self.is_live:
            self._access.forget()
            if new.auth_backends != old.auth_backends:
                self._access.rechecks.rule_sets_changed()
            if new.auto_token is False and old.auto_token is not False:
                self._end_without_token()
            self._egress.settings_changed(egress_settings(new))
            self._streams.media.settings_changed(media_settings(new, self._settings))
            self._tasks.spawn(self._geoip.use(new.geoip), "geoip")
        self._ports.configured(new)
        self._gpus.watch(bool(new.nvidia_monitor))
        self._pulse.use(new.pulsedb)
        self._ended.use(new.session_log)
        self._certificates.configured()
        self._alerts.configured(new)
        self._backend.use(new)
        self._others.use(new)

    def _end_without_token(self) -> None:
        """Whoever was let in without a token is asked for it."""
        for session in [one for one in self._sessions if not one.token and one.is_judged]:
            self._sessions.close(session.id, "no token")


def media_settings(config: ServerConfig, settings: Settings) -> MediaSettings:
    """What of the configuration a media worker is told."""
    return MediaSettings(config.loglevel or "info", str(settings.segments))


def egress_settings(config: ServerConfig) -> EgressSettings:
    """What of the configuration an egress worker is told."""
    return EgressSettings(
        loglevel=config.loglevel or "info",
        log_requests=bool(config.log_requests),
        auth_token=config.auth_token,
        trusted_proxies=config.trusted_proxies or [],
        webrtc_addresses=config.webrtc_addresses or [],
        forwarding_key=signing_key(config.cluster_key) if config.cluster_key else None,
        ice_servers=[
            IceServer(
                one.url,
                one.username or "",
                one.password or "",
                one.secret or "",
                one.lifetime or TURN_SECONDS,
            )
            for one in config.ice_servers or ()
        ],
    )
