"""Access control over a configuration, with a real HTTP backend behind `on_play`."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from media_api.balancing import Candidate
from media_api.server import ServerConfig
from media_auth.http_backend import HttpBackend
from media_rest.guessing import GuessLimiter
from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.catalog import Catalog, Changes, Stream
from media_streamer.supervisor.cluster.directing import Director
from media_streamer.supervisor.cluster.servers import OtherServers
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.geoip import GeoIp
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.locations import file_stream, location_of
from media_streamer.supervisor.name_quota import NameQuota
from media_streamer.supervisor.news import JobNews, SessionNews, StreamNews
from media_streamer.supervisor.ports import Ports
from media_streamer.supervisor.readable import WorkerFolders
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import AccessRequest
from msgspec.structs import replace

PLAY = AccessRequest(name="a", proto="hls", kind="play", ip="10.0.0.7")


PUBLISH = replace(PLAY, kind="publish", proto="rtmp")


class Streams:
    """What access needs of the supervisor, without processes."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        self.running = True
        self.delay = 0.0

    @property
    def config(self) -> ServerConfig:
        return self.catalog.config

    async def find(self, name: str, kind: str) -> Stream | None:
        if (vod := location_of(self.config, name)) is not None:
            return file_stream(vod, name)
        known = self.catalog.streams.get(name)
        if known is None and self.catalog.find_template(name) is not None:
            return self.catalog.draft_user(name)
        return known

    def keep(self, stream: Stream, ip: str) -> Stream | None:
        if stream.location is not None:
            return stream
        if stream.name not in self.catalog.streams:
            self.catalog.add_user(stream.name)
        return self.catalog.streams[stream.name]

    async def where(self, stream: Stream) -> tuple[str, int] | None:
        await asyncio.sleep(self.delay)
        return ("/run/media-0.sock", 1) if self.running else None

    async def reader(self, stream: Stream, folders: frozenset[Path]) -> str:
        return f"/run/reader-of-{','.join(sorted(map(str, folders)))}.sock"


class NoWorkers:
    """Takes changes of the catalog for those who are not there."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def apply(self, changes: Changes) -> None:
        pass


class Backend:
    """A backend whose answer the test sets; counts the questions."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.questions: list[dict[str, str]] = []
        self.delay = 0.0
        self.on_question: Callable[[], None] = lambda: None

    async def answer(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay)
        self.on_question()
        body = await request.json() if request.method == "POST" else dict(request.query)
        self.questions.append({**body, "method": request.method})
        return web.Response(status=self.status, headers=self.headers)


class World:
    """Access control over a configuration."""

    def __init__(self, http: aiohttp.ClientSession, backend: Backend, url: str) -> None:
        self.backend, self.url = backend, url
        self.streams = Streams()
        bus = EventBus(lambda: "host1", Path())
        egress = EgressWorkers()
        self.sessions = SessionRegistry(SessionNews(bus, egress))
        jobs = JobPlacement("0", JobNews(bus))
        catalog = self.streams.catalog
        alerts = Alerts(catalog)
        nowhere = Path("/nowhere")
        settings = Settings(nowhere, nowhere, nowhere, nowhere, 1, 1, "host1")
        ports = Ports(settings, egress, alerts, catalog, Tasks())
        archives = Archives(catalog, Tasks(), lambda: "host1", WorkerFolders(Path(), catalog))
        self.news = StreamNews(
            bus, catalog, self.sessions, jobs, NameQuota(), alerts, ports, archives
        )
        self.geoip = GeoIp(alerts)
        others = OtherServers(
            http, NoWorkers(catalog), lambda key, text: None, Tasks(), lambda: "host1"
        )
        self.control = AccessControl(
            self.streams,
            self.sessions,
            HttpBackend(http),
            "host1",
            GuessLimiter(),
            self.geoip,
            Director(others, catalog, lambda: Candidate("host1")),
        )

    def configure(self, stream: dict[str, Any], **server: Any) -> None:
        config = {"streams": [{"name": "a", **stream}], **server}
        self.streams.catalog.set_config(ServerConfig.model_validate(config))

    async def ask(self, request: AccessRequest = PLAY, **changes: str) -> Any:
        """Granted or Refusal."""
        return await self.control.decide(replace(request, **changes))
