"""The supervisor: joins configuration, streams, workers, sessions and API, and runs until a signal.

Order of the start: configuration, control socket, API, workers, public ports last, so that whoever
can connect is answered. Order of the end is the reverse, and bounded in time.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from media_api.server import ServerConfig
from media_api.unsupported import Tally
from media_auth.http_backend import HttpBackend
from media_process import logs
from media_rest.guessing import GuessLimiter

from media_streamer.forwarded import signing_key
from media_streamer.outgoing.connector import guarded_connector
from media_streamer.rounds import next_round
from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.catalog import Changes, Stream
from media_streamer.supervisor.config_backend import ConfigBackend
from media_streamer.supervisor.configuration import Configuration, config_error
from media_streamer.supervisor.control import Connection, ControlServer
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.events.fields import session_fields, stream_fields
from media_streamer.supervisor.external import ExternalConfig, forget_state
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.listeners import listener_specs, port_of, probe
from media_streamer.supervisor.processes import (
    ProcessPool,
    Worker,
    worker_command,
    worker_environment,
)
from media_streamer.supervisor.pushes import push_event, push_jobs, push_stats, push_sum
from media_streamer.supervisor.sessions import Session, SessionRegistry
from media_streamer.supervisor.settings import QUARANTINE_ID, Settings
from media_streamer.supervisor.stats import ServerStats, stream_stats
from media_streamer.supervisor.streams import StreamControl
from media_streamer.wire.control import (
    AccessRequest,
    EgressSettings,
    Granted,
    Heartbeat,
    Hello,
    Job,
    JobReport,
    ListenerSpec,
    MediaSettings,
    Recycle,
    Refusal,
    SessionLeft,
    SessionsMoved,
    StreamEvent,
)

log = logging.getLogger(__name__)

EGRESS_START_SECONDS = 30.0
TICK_SECONDS = 1.0
BACKEND_CONNECTIONS = 100
_ENDED_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, 0})


class StartFailed(Exception):  # noqa: N818 - an outcome, told to the person at the terminal
    """The server cannot start; the message says why and what to do."""


class Service(Protocol):
    """Something that lives between `start` and `close`."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Supervisor:
    """One per streamer. `run` is its life; the API works on its parts."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.alerts: dict[str, str] = {}
        self._unsupported: dict[str, str] = {}
        self._unserved = Tally()
        self.sessions = SessionRegistry(self._session_closed)
        self.egress = EgressWorkers()
        self.jobs = JobPlacement(map(str, range(settings.egress_workers)), self._job_event)
        self.streams = StreamControl(
            settings, self.egress.directory_changed, self._stream_gone, self._start_quarantine
        )
        self.configuration = Configuration(
            settings.config_path, environ, self._apply, settings.state
        )
        self.stats = ServerStats(settings.hostname, self.streams.catalog, self.sessions)
        self.events = EventBus(lambda: self.stats.hostname, self.configuration.log_directory)
        self.streams.on_changes = self._streams_changed
        self.streams.on_event = self._stream_event
        self.sessions.on_event = self._session_event
        self.guesses = GuessLimiter()
        self.external: ExternalConfig | None = None
        self._external_task: asyncio.Task[None] | None = None
        self._external_url: str | None = None
        self._pool = ProcessPool(
            worker_command(settings.runtime),
            worker_environment(settings.runtime, settings.segments, environ),
            self._worker_died,
        )
        self._control = ControlServer(settings.control_socket, self)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._egress_came = asyncio.Event()
        self._stopping = asyncio.Event()
        self.ready = False
        self.access: AccessControl
        self._http: aiohttp.ClientSession

    @property
    def status(self) -> str:
        """`streamer_status` of the API."""
        if not self.ready:
            return "starting"
        if self.configuration.problems:
            return "broken_config"
        external = self.external.status if self.external is not None else None
        if external is not None and external["status"] == "error":
            return "config_external_error"
        return "running"

    # What the API needs (api.port.Server)

    @property
    def id(self) -> str:
        """The same after a restart."""
        return self.stats.id

    @property
    def hostname(self) -> str:
        return self.stats.hostname

    def whoami(self) -> dict[str, Any]:
        """`media_api.server_status.WhoAmI` as JSON."""
        return self.stats.whoami()

    def stream_statistics(self, stream: Stream) -> dict[str, Any]:
        """`stats` of `media_api.status.StreamState` as JSON."""
        stats = stream_stats(stream, self.sessions, self.stats.hostname)
        if reports := self.jobs.of_stream(stream.name):
            stats["push"] = push_sum(reports)
        return stats

    def push_statistics(self, stream: Stream) -> list[dict[str, Any] | None]:
        """`stats` of `media_api.status.PushState` of each push of a stream, as JSON."""
        reports = self.jobs.of_stream(stream.name)
        return [push_stats(stream.name, push, reports) for push in stream.config.pushes or ()]

    async def reauthorize(self, name: str) -> int:
        """Ask anew about all sessions of a stream; returns how many."""
        return await self.access.reauthorize(name)

    def statistics(self) -> dict[str, Any]:
        """`media_api.server_status.ServerStats` as JSON."""
        stats = {
            **self.stats.figures(),
            "streamer_status": self.status,
            "config_version": self.configuration.version,
            "events": self.events.stats(),
            "failed_logins": self.guesses.failures_total,
            "refused_logins": self.guesses.refused_total,
        }
        if (error := config_error(self.configuration.problems)) is not None:
            stats["config_error"] = error
        if self.external is not None and self.external.status is not None:
            stats["config_external_status"] = self.external.status
        alerts = {
            **self._unsupported,
            **self.events.alerts(),
            **self.alerts,
        }
        if problems := self.egress.problems:
            alerts.setdefault("listeners", "; ".join(problems))
        if alerts:
            stats["text_alerts"] = alerts
        return stats

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def run(self, api: Service) -> None:
        """Serve until `stop` or a signal. Raises StartFailed."""
        self._handle_signals()
        connector = guarded_connector(self.settings.reach, BACKEND_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as self._http:
            self.access = AccessControl(
                self.streams,
                self.sessions,
                HttpBackend(self._http),
                self.settings.hostname,
                self.guesses,
            )
            self.streams.on_changed = self.access.stream_changed
            self.events.start(self._http)
            try:
                await self.configuration.start()
                self._refuse_occupied_ports()
                await self._control.start()
                await api.start()
                self._start_workers()
                await self._open_ports()
                self._spawn(self._tick(), "tick")
                self.ready = True
                log.info("%s", self.welcome())
                version = self.stats.whoami()["server_version"]
                self.events.emit("server_started", version=version, instance_id=self.stats.id)
                await self._stopping.wait()
                log.info("stopping")
            finally:
                await self._shut_down()
                await api.close()

    def welcome(self) -> str:
        """One line for the person at the terminal."""
        ports = ", ".join(str(port) for port in sorted(map(port_of, self._wanted_listeners())))
        count = len(self.streams.catalog.streams)
        return f"streamer {self.settings.hostname} is ready: {count} streams; {ports or 'no ports'}"

    # Start and end

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload(), "reload"))

    async def _reload(self) -> None:
        problems = await self.configuration.reload()
        if problems:
            log.error("reload refused: %d errors; the old configuration holds", len(problems))

    def _wanted_listeners(self) -> list[ListenerSpec]:
        return self._listeners_of(self.configuration.current)

    def _listeners_of(self, config: ServerConfig) -> list[ListenerSpec]:
        return listener_specs(config.listeners, self.configuration.path.absolute().parent)

    def _refuse_occupied_ports(self) -> None:
        problems = probe(map(port_of, self._wanted_listeners()), self.settings.egress_workers)
        if problems:
            raise StartFailed("; ".join(problems[port] for port in sorted(problems)))

    def _start_workers(self) -> None:
        for number in range(self.settings.media_workers):
            self._pool.start("media", str(number))
        for number in range(self.settings.egress_workers):
            self._pool.start("egress", str(number))

    async def _open_ports(self) -> None:
        """Wait for one egress worker, then listen; ports that fail here are fatal."""
        try:
            await asyncio.wait_for(self._egress_came.wait(), EGRESS_START_SECONDS)
        except TimeoutError:
            raise StartFailed(
                "no egress worker started within"
                f" {EGRESS_START_SECONDS:.0f} s: see the errors above"
            ) from None
        problems = await self.egress.listen(self._wanted_listeners())
        if problems:
            raise StartFailed("; ".join(problems))

    async def _shut_down(self) -> None:
        self.ready = False
        self.access.close()
        tasks = {*self._tasks, *([self._external_task] if self._external_task else [])}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.stop_all()
        await self._control.close()
        await self.events.close()

    def _start_quarantine(self) -> None:
        self._pool.start("media", QUARANTINE_ID)

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)

    async def _tick(self) -> None:
        while True:
            await next_round(TICK_SECONDS)
            now = time.monotonic()
            try:
                self.stats.load.sample()
                self.sessions.sample_rates(now)
                self.sessions.expire()
                self.streams.tick_quarantine(now)
                self.streams.drop_unused(now, self._watched)
            except Exception:
                log.exception("the periodic work failed; it goes on")
            self._spawn(self.access.recheck(now), "recheck of sessions")

    def _watched(self, name: str) -> bool:
        return bool(self.sessions.of_stream(name) or self.sessions.of_stream(name, "publish"))

    def _in_use(self, name: str) -> bool:
        """A stream of the backend that is not listed: worth asking whether it may go on."""
        stream = self.streams.catalog.streams.get(name)
        if stream is None:
            return False
        recent = time.monotonic() - stream.used_at < 60.0
        return recent or bool(stream.stats.get("alive")) or self._watched(name)

    # Configuration

    def _apply(self, old: ServerConfig, new: ServerConfig) -> None:
        """Bring everything in step with a new configuration; only differences are acted on."""
        if new.loglevel != old.loglevel:
            logs.set_level(new.loglevel)
        self.stats.hostname = new.hostname or self.settings.hostname
        self.events.apply(new.event_sinks)
        self.streams.apply(self.streams.catalog.set_config(new))
        if old.vods != new.vods:
            self.streams.vods_changed()
        if self.ready:
            self.access.forget()
            self.egress.settings_changed(self._egress_settings())
            self.streams.media.settings_changed(self._media_settings())
            if old.listeners != new.listeners:
                self._spawn(self._change_ports(old), "listeners")
        self._say_unsupported()
        self._use_backend(new.config_external)

    def _streams_changed(self, changes: Changes) -> None:
        """Of the streams that changed alone: thousands that stay cost nothing."""
        for name in changes.removed:
            self._unserved.drop(name)
            self.jobs.wish(name, ())
        for name in changes.added | changes.changed:
            if (stream := self.streams.catalog.streams.get(name)) is not None:
                self._unserved.put(stream.config)
                self.jobs.wish(name, push_jobs(stream.config))

    def _say_unsupported(self) -> None:
        """Alerts of what has no effect, and a line in the log for each that is new."""
        found = self._unserved.alerts(self.configuration.current)
        for key, text in found.items():
            if text != self._unsupported.get(key):
                log.warning("configuration: %s", text)
        self._unsupported = found

    async def _change_ports(self, old: ServerConfig) -> None:
        """Open new ports, close old ones; what cannot be had is an alert, the rest goes on."""
        wanted = self._wanted_listeners()
        added = set(map(port_of, wanted)) - set(map(port_of, self._listeners_of(old)))
        refused = await asyncio.to_thread(probe, added, self.settings.egress_workers)
        problems = [refused[port] for port in sorted(refused)]
        problems += await self.egress.listen(
            [item for item in wanted if port_of(item) not in refused]
        )
        if problems:
            log.error("listeners: %s", "; ".join(problems))
            self.alerts["listeners"] = "; ".join(problems)
        else:
            self.alerts.pop("listeners", None)

    def _use_backend(self, url: str | None) -> None:
        if url == self._external_url:
            return
        self._external_url = url
        if self._external_task is not None:
            self._external_task.cancel()
        state_file = self.settings.state / "config_external.json"
        if url is None:
            self.external, self._external_task = None, None
            self.streams.find_outside = None
            catalog = self.streams.catalog
            self.streams.apply(catalog.change_external(gone=catalog.external_names))
            forget_state(state_file)
            return
        host = self.configuration.current.hostname or self.settings.hostname
        self.external = ExternalConfig(
            ConfigBackend(self._http, url, host),
            url,
            self.streams.catalog,
            state_file,
            self._external_changes,
            self._in_use,
        )
        self.external.on_error = self._external_failed
        self.streams.find_outside = self.external.find
        self._external_task = asyncio.create_task(self.external.run(), name="config_external")
        self._external_task.add_done_callback(self._task_done)

    def _external_changes(self, changes: Changes) -> None:
        if changes:
            log.info(
                "config_external: %d streams added, %d removed, %d changed",
                len(changes.added),
                len(changes.removed),
                len(changes.changed),
            )
        self.streams.apply(changes)
        if changes:
            self._say_unsupported()

    def _external_failed(self, status: dict[str, Any]) -> None:
        fields = {key: value for key, value in status.items() if key != "status"}
        self.events.emit("config_external_error", **fields)

    def _stream_event(self, told: StreamEvent) -> None:
        fields = stream_fields(told, self.sessions.of_stream(told.name, "publish"))
        if told.event == "stream_closed":
            fields["bytes_out"] = self.sessions.totals(told.name).bytes
        self.events.emit(told.event, **fields)

    def _session_event(self, event: str, session: Session) -> None:
        if session.kind == "play":  # the media worker tells of publishers
            self.events.emit(f"play_{event}", **session_fields(session))

    def _job_event(self, job: Job, before: JobReport | None, now: JobReport | None) -> None:
        if (told := push_event(job, before, now)) is not None:
            event, fields = told
            self.events.emit(event, **fields)

    def _stream_gone(self, name: str, reason: str) -> None:
        self.sessions.close_stream(name, reason)
        self.streams.closed(name, reason)
        if name not in self.streams.catalog.streams:
            self.sessions.forget_stream(name)

    def _session_closed(self, session: Session, workers: tuple[str, ...]) -> None:
        self.egress.close_session(session.id, workers, session.close_reason)

    # Workers (control.Handlers)

    def accept(self, hello: Hello) -> bool:
        worker = self._pool.get(hello.kind, hello.id)
        return worker is not None and worker.pid == hello.pid

    def settings_for(self, connection: Connection) -> EgressSettings | MediaSettings:
        return self._egress_settings() if connection.kind == "egress" else self._media_settings()

    def _media_settings(self) -> MediaSettings:
        loglevel = self.configuration.current.loglevel or "info"
        return MediaSettings(loglevel, str(self.settings.segments))

    def _egress_settings(self) -> EgressSettings:
        config = self.configuration.current
        return EgressSettings(
            loglevel=config.loglevel or "info",
            log_requests=bool(config.log_requests),
            auth_token=config.auth_token,
            trusted_proxies=config.trusted_proxies or [],
            forwarding_key=signing_key(config.cluster_key) if config.cluster_key else None,
        )

    async def connected(self, connection: Connection) -> None:
        worker = self._pool.get(connection.kind, connection.id)
        if worker is not None:
            worker.said_hello = True
            worker.heard()
        if connection.kind == "media":
            self.streams.media_connected(connection)
            return
        listening = self.egress.connected(connection, self.streams.directory.whole())
        self.jobs.connected(connection)
        await listening
        self._egress_came.set()

    def disconnected(self, connection: Connection) -> None:
        if connection.kind == "media":
            self.streams.media_disconnected(connection)
        else:
            self.egress.disconnected(connection)
            self.jobs.disconnected(connection)
        worker = self._pool.get(connection.kind, connection.id)
        # A worker without a channel exits by itself; one that hangs in that must not stay.
        if worker is not None and worker.pid == connection.pid and not self._stopping.is_set():
            self._spawn(self._end_orphan(worker, connection.pid), "orphan")

    async def _end_orphan(self, worker: Worker, pid: int) -> None:
        await asyncio.sleep(3.0)
        if worker.pid == pid:
            self._pool.kill(worker, "its control channel is closed and it did not end")

    def attend(self, connection: Connection) -> None:
        worker = self._pool.get(connection.kind, connection.id)
        assert worker is not None  # it was accepted

        def recycle(told: Recycle) -> None:
            self._pool.kill(worker, f"it asked for that: {told.reason}", blameless=True)

        connection.peer.take(Heartbeat, lambda _: worker.heard())
        connection.peer.take(Recycle, recycle)
        if connection.kind == "media":
            self.streams.attend(connection)
        else:
            self._attend_egress(connection)

    def _attend_egress(self, connection: Connection) -> None:
        async def access(request: AccessRequest) -> Granted | Refusal:
            answer = await self.access.decide(request)
            if isinstance(answer, Granted):
                self.sessions.claim(connection.id, answer.session_id)
                stream = self.streams.catalog.streams.get(answer.stream)
                if request.kind == "publish" and stream is not None:
                    self.streams.publisher_comes(stream)
            elif request.kind == "publish" or answer.status != 404:
                log.info(
                    "stream %s: %s by %s from %s refused: %s",
                    request.name,
                    request.kind,
                    request.proto,
                    request.ip,
                    answer.title,
                )
            return answer

        def moved(told: SessionsMoved) -> None:
            for session_id in self.sessions.update(connection.id, told.sessions):
                self.egress.close_session(session_id, (connection.id,), "session closed")

        def left(told: SessionLeft) -> None:
            self.sessions.left(connection.id, told.id, told.bytes, told.reason)

        connection.peer.answer(AccessRequest, access)
        connection.peer.take(SessionsMoved, moved)
        connection.peer.take(SessionLeft, left)

    async def _worker_died(self, worker: Worker, uptime: float) -> None:
        code = worker.process.returncode if worker.process is not None else None
        if worker.kind == "egress":
            self.sessions.worker_died(worker.id)
            self.jobs.worker_died(worker.id)
            return
        if worker.said_hello:  # before that it had no streams that could be at fault
            from_outside = not worker.killed_because and code in _ENDED_FROM_OUTSIDE
            self.streams.media_died(worker.id, uptime, not (from_outside or worker.blameless))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.settings.media_socket(worker.id))
