"""The supervisor: puts its parts together, and is their life from the start until a signal.

Order of the start: workers that live already, configuration, API, workers, public ports last, so
that whoever can connect is answered. Order of the end is the reverse, and bounded in time.

The parts know each other in one direction, as they are made here: what happens goes by listeners
(`news.py`), which are there before whoever tells them.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import aiohttp
from media_auth.http_backend import HttpBackend
from media_process.heap import Heap
from media_process.service_manager import ServiceManager
from media_rest.guessing import GuessLimiter

from media_streamer import keeper
from media_streamer.config.log_files import log_directory
from media_streamer.egress.http.access_log import log_file
from media_streamer.lua.access import ScriptRules
from media_streamer.lua.host import ScriptHost
from media_streamer.rounds import next_round
from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.applier import ConfigurationApplier
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.backend import Backend
from media_streamer.supervisor.catalog import Catalog
from media_streamer.supervisor.certificates import CertificateWatch
from media_streamer.supervisor.cluster.directing import Director
from media_streamer.supervisor.cluster.servers import OtherServers
from media_streamer.supervisor.configuration import Configuration
from media_streamer.supervisor.control import ControlServer
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.episodes import EpisodeBackends
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.facade import ServerFacade
from media_streamer.supervisor.finder import StreamFinder
from media_streamer.supervisor.forks import Forks, forks_of
from media_streamer.supervisor.geoip import GeoIp
from media_streamer.supervisor.gpus import GpuMonitor
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.loop_load import LoopLoad
from media_streamer.supervisor.name_quota import NameQuota
from media_streamer.supervisor.news import JobNews, SessionNews, StreamNews
from media_streamer.supervisor.opener import Opener
from media_streamer.supervisor.ports import Ports
from media_streamer.supervisor.processes import ProcessPool
from media_streamer.supervisor.pulse import Pulse
from media_streamer.supervisor.readable import WorkerFolders
from media_streamer.supervisor.scripts import run_init_script, sweep
from media_streamer.supervisor.session_log import SessionLog
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.srt_ports import SrtDoor
from media_streamer.supervisor.stats import ServerStats
from media_streamer.supervisor.streams import StreamControl
from media_streamer.supervisor.tasks import Tasks
from media_streamer.supervisor.transcoders import TranscoderProcesses, files_of
from media_streamer.supervisor.worker_desk import WorkerDesk
from media_streamer.version import server_version

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Service(Protocol):
    """Something that lives between `start` and `close`."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Supervisor:
    """One per streamer. `run` is its life; `facade` is what the API works on.

    `http`: for event sinks and the backends of access and configuration. `forks`: where workers
    come from, if they have begun already.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        http: aiohttp.ClientSession,
        forks: Forks | None = None,
    ) -> None:
        self._settings = settings
        self._http = http
        self._tasks = Tasks()
        self._manager = ServiceManager(environ)
        self._stopping = asyncio.Event()
        self._catalog = catalog = Catalog()

        def hostname() -> str:
            return catalog.config.hostname or settings.hostname

        self._scripts = ScriptHost()
        self._ended = SessionLog()
        self._bus = EventBus(hostname, log_directory(environ), self._scripts, settings.state)
        egress = self._egress = EgressWorkers()
        self._sessions = SessionRegistry(SessionNews(self._bus, egress, self._ended))
        self._jobs = jobs = JobPlacement(
            map(str, range(settings.egress_workers)), JobNews(self._bus)
        )
        episodes = EpisodeBackends(
            http, lambda: self._backend.episodes_url, hostname, settings.backend_token
        )
        spared = (settings.config_path.absolute().parent, settings.state)
        folders = WorkerFolders(settings.runtime, catalog, spared)
        self._opener = Opener(settings.runtime, folders.served, self.is_egress, log_file(environ))
        self._archives = Archives(catalog, self._tasks, hostname, folders, episodes)
        alerts = Alerts(catalog, self._bus.alerts, egress.alerts, self._archives.alerts)
        self._alerts = alerts
        quota = NameQuota()
        self._ports = Ports(settings, egress, alerts, catalog, self._tasks)
        self._forks = forks or forks_of(settings, environ)
        self._pool = ProcessPool(self._forks.worker)
        self._transcoders = TranscoderProcesses(settings.runtime, self._forks.start, self._files_of)
        news = StreamNews(
            self._bus,
            catalog,
            self._sessions,
            jobs,
            quota,
            alerts,
            self._ports,
            self._archives,
            self._ended,
            self._transcoders,
        )
        self._streams = StreamControl(
            settings,
            catalog,
            egress,
            self._pool,
            self._archives,
            news,
        )
        self._backend = backend = Backend(
            settings, http, self._streams, self._sessions, alerts, self._bus, self._tasks
        )
        self._geoip = GeoIp(alerts)
        self._gpus = GpuMonitor(self._tasks)
        self._loops = LoopLoad()
        self._heap = Heap()
        self._stats = ServerStats(
            hostname,
            catalog,
            self._sessions,
            self._gpus,
            self._loops,
            jobs,
            self._archives.disks,
        )
        self._others = OtherServers(http, self._streams, alerts.set, self._tasks, hostname)
        director = Director(self._others, catalog, self._stats.load_now)
        guesses = GuessLimiter()
        finder = StreamFinder(settings, self._streams, backend, quota)
        self._access = AccessControl(
            finder,
            self._sessions,
            HttpBackend(http),
            settings.hostname,
            guesses,
            self._geoip,
            director,
            ScriptRules(self._scripts),
        )
        self._geoip.on_change = self._access.rechecks.countries_changed
        self._pulse = Pulse(catalog, self._sessions, self._stats.figures)
        alerts.add(self._pulse.alerts)
        directory = settings.config_path.absolute().parent
        self._certificates = CertificateWatch(catalog, alerts, directory)
        alerts.add(self._ended.alerts)
        self._applier = ConfigurationApplier(
            settings,
            self._streams,
            egress,
            self._access,
            self._ports,
            backend,
            alerts,
            self._archives,
            self._bus,
            self._tasks,
            self._geoip,
            self._gpus,
            self._sessions,
            self._others,
            self._pulse,
            self._ended,
            self._certificates,
        )
        self._configuration = Configuration(
            settings.config_path, environ, self._applier.apply, settings.state
        )
        srt = SrtDoor(self._ports.srt, finder, self._sessions)
        self._desk = WorkerDesk(
            settings,
            self._pool,
            self._streams,
            egress,
            jobs,
            self._sessions,
            self._access,
            srt,
            backend,
            self._transcoders,
            news,
            self._tasks,
        )
        self._control = ControlServer(settings.control_socket, self._desk)
        self.facade = ServerFacade(
            self._configuration,
            self._streams,
            self._sessions,
            jobs,
            guesses,
            self._access,
            self._stats,
            self._bus,
            alerts,
            backend,
            self._applier,
            self._archives,
            self._others,
            self._pulse,
            self._ended,
            srt,
        )

    def _files_of(self, stream: str) -> frozenset[Path]:
        """What the transcoder of a stream reads."""
        found = self._catalog.streams.get(stream)
        return files_of(found.config) if found is not None else frozenset()

    def is_egress(self, pid: int) -> bool:
        """Whether a process is an egress worker now."""
        return any(worker.is_process(pid) for worker in self._pool.all("egress"))

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def run(self, api: Service) -> None:
        """Serve until `stop` or a signal. Raises StartFailed."""
        self._handle_signals()
        self._bus.start(self._http)
        try:
            self._desk.adopt()
            await self._control.start()
            await self._desk.gather()
            await self._configuration.start()
            # The folders of archives are claimed while the workers start: the first segment of each
            # stream is recorded.
            self._streams.archives_changed(self._archives.tick(time.monotonic()))
            # Whoever is limited to countries must not be judged without them.
            await self._geoip.use(self._catalog.config.geoip)
            await self._backend.restored()
            await self._others.first()
            await self._desk.recover()
            self._ports.refuse_occupied(self._catalog.config, self._desk.held_ports)
            await api.start()
            self._opener.start()
            await self._desk.start_workers()
            await self._ports.open(self._catalog.config)
            self._tasks.spawn(self._tick(), "tick")
            self._tasks.spawn(self._geoip.run(), "geoip")
            self._tasks.spawn(self._pulse.run(), "pulsedb")
            self._tasks.spawn(self._certificates.run(), "certificates")
            self._tasks.spawn(self._ended.run(), "session_log")
            self._tasks.spawn(sweep(self._scripts), "idle scripts")
            self._tasks.spawn(self._init(), "init_script")
            self._applier.is_live = True
            log.info("%s", self._welcome())
            self._manager.ready(self._welcome())
            version = self._stats.whoami()["server_version"]
            self._bus.emit("server_started", version=version, instance_id=self._stats.id)
            await self._stopping.wait()
            log.info("stopping")
            self._manager.stopping()
        finally:
            await self._shut_down()
            await api.close()
            self._manager.close()

    async def _init(self) -> None:
        server = {"hostname": self._stats.hostname, "version": server_version()}
        script = self._catalog.config.init_script
        await run_init_script(self._scripts, script, server, self._alerts.set)

    def _welcome(self) -> str:
        """One line for the person at the terminal."""
        ports = self._ports.numbers(self._catalog.config) or "no ports"
        count = len(self._catalog.streams)
        return f"streamer {self._settings.hostname} is ready: {count} streams; {ports}"

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGUSR1, self._leave)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.spawn(self._reload(), "reload"))
        keeper.listens()

    def _leave(self) -> None:
        log.info("leaving: viewers of segments are sent to another server as their next request")
        self._egress.leave()

    async def _reload(self) -> None:
        problems = await self._configuration.reload()
        if problems:
            log.error("reload refused: %d errors; the old configuration holds", len(problems))

    async def _shut_down(self) -> None:
        self._applier.is_live = False
        self._access.close()
        await self._tasks.close()
        await self._pulse.close()
        await self._ended.close()
        await self._pool.stop_all()
        await self._transcoders.close()
        await self._forks.close()
        self._archives.close()
        self._opener.close()
        await self._control.close()
        await self._bus.close()
        await self._scripts.close()

    async def _tick(self) -> None:
        while True:
            await next_round(TICK_SECONDS)
            self._manager.alive()
            now = time.monotonic()
            try:
                self._stats.load.sample()
                self._stats.disk_load.sample()
                self._loops.sample(self._pids())
                self._heap.look()
                self._sessions.sample_rates(now)
                self._jobs.sample_rate(now)
                self._sessions.expire()
                self._streams.tick_quarantine(now)
                self._streams.drop_unused(now, self._sessions.are_open)
                self._streams.archives_changed(self._archives.tick(now))
                self._desk.end_resting(now)
            except Exception:
                log.exception("the periodic work failed; it goes on")
            self._tasks.spawn(self._access.rechecks.run(now), "recheck of sessions")

    def _pids(self) -> list[int]:
        """Of all processes of the server."""
        workers = (worker.pid for worker in self._pool.all())
        return [os.getpid(), *(pid for pid in workers if pid is not None)]
