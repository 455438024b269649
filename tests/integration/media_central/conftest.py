"""A private PostgreSQL for the session, a database for each test, Centrals, and a fake streamer."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
import yarl
from aiohttp import web
from media_central import db
from media_central.db import Database
from media_central.embedded import EmbeddedPostgres
from media_central.server import Central, running
from media_central.setting_values import Login
from media_central.settings import Settings
from media_rest.credentials import parse_authorization

from tests.support.ports import free_port

from .databases import Databases, url_of

_numbers = itertools.count(1)
API_KEY = "test-api-key"


@pytest.fixture(name="free_port")
def free_port_() -> Callable[[], int]:
    return free_port


async def _eventually(condition: Callable[[], Any], within: float = 60.0) -> Any:
    """The condition's first true value; it may be a function or a coroutine function."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, "the condition did not become true"
        await asyncio.sleep(0.02)


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return _eventually


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """One server for all tests: nothing here needs its data to survive."""
    directory = tmp_path_factory.mktemp("postgres")
    server = EmbeddedPostgres(directory, options=["fsync=off", "full_page_writes=off"])
    async with server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    return Databases(postgres)


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres, databases: Databases) -> AsyncIterator[str]:
    """Of a database with the schema and without a row."""
    name = await databases.take()
    yield url_of(postgres, name)
    await databases.give_back(name)


@pytest.fixture
async def new_database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Of a database with nothing in it."""
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield url_of(postgres, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    # Twenty at once on five connections: some wait for seconds where the machine does much else.
    monkeypatch.setattr(db, "ACQUIRE_TIMEOUT_SECONDS", 60.0)
    opened = await Database.open(database_url, max_connections=5, retries=0)
    yield opened
    await opened.close()


@dataclass
class Client:
    """Central's API as a client sees it."""

    http: aiohttp.ClientSession
    base: str

    async def __call__(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        options.setdefault("headers", {"Authorization": f"Bearer {API_KEY}"})
        if body is not None:
            options["json"] = body
        url = self.base + path
        async with self.http.request(method, url, **options) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json and text else text


@dataclass
class RunningCentral:
    central: Central
    api: Client
    settings: Settings
    stop: Callable[[], Awaitable[None]]
    """End it before the test does."""

    @property
    def url(self) -> str:
        return self.central.url


StartCentral = Callable[..., Awaitable[RunningCentral]]


@pytest.fixture
async def start_central(database_url: str, tmp_path: Path) -> AsyncIterator[StartCentral]:
    """`await start_central(setting=value, …)`: a Central on a free port, ended with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**changes: Any) -> RunningCentral:
            settings = replace(
                Settings(
                    database_url=database_url,
                    api_key=API_KEY,
                    edit_auth=Login("admin", "admin"),
                    http_address="127.0.0.1",
                    http_port=free_port(),
                    streams_stats_fetch_interval=0.1,
                    layouter_sleeping_interval=0.5,
                    streamer_dead_timeout=2.0,
                    database_connect_max_retries=0,
                    data_dir=tmp_path / "data",
                ),
                **changes,
            )
            if settings.api_url is None:
                settings = replace(settings, api_url=f"http://127.0.0.1:{settings.http_port}")
            own = await stack.enter_async_context(contextlib.AsyncExitStack())
            central = await own.enter_async_context(running(settings))
            http = await own.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
            )
            api = Client(http, central.url + "/streamer/api/v3")
            return RunningCentral(central, api, settings, own.aclose)

        yield start


@pytest.fixture
async def central(start_central: StartCentral) -> RunningCentral:
    return await start_central()


@dataclass
class FakeStreamer:
    """The API of a streamer that runs what config_external says, as far as Central sees it."""

    hostname: str
    cluster_key: str = "cluster"
    config: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    stream_stats: dict[str, Any] = field(default_factory=lambda: {"status": "running"})
    calls: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    refuse_put: bool = False
    watched: set[str] | None = None
    """Streams that have viewers; None: all. Of others that are not listed nobody asks."""
    _runner: web.AppRunner | None = None
    _running: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> set[str]:
        return set(self._running)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/streamer/api/v3/{rest:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self.port = self.port or free_port()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def reconcile(self) -> None:
        """One round of config_external, as a streamer does every few seconds."""
        url = yarl.URL(self.config["config_external"])
        key = url.user
        base = str(url.with_user(None))
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            wanted = await self._ask(http, f"{base}/streams", {})
            rest = self._running.keys() - wanted.keys()
            rest = rest if self.watched is None else rest & self.watched
            if rest:
                wanted |= await self._ask(http, f"{base}/update-streams", {"name": ",".join(rest)})
        self._running = wanted

    async def _ask(
        self, http: aiohttp.ClientSession, url: str, query: dict[str, str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        cursor = ""
        while True:
            params = {"host": self.hostname, "cursor": cursor, **query}
            async with http.get(url, params=params) as response:
                assert response.status == 200, await response.text()
                assert response.headers["X-Config-Server-Separate-Endpoints"] == "true"
                answer = await response.json()
            found |= {item["name"]: item for item in answer["streams"]}
            cursor = answer["next"]
            if not cursor:
                return found

    async def _handle(self, request: web.Request) -> web.Response:
        path = request.match_info["rest"]
        self.calls.append((request.method, path))
        credentials = parse_authorization(request.headers.get("Authorization"))
        if credentials is None or not credentials.is_cluster(self.cluster_key, time.time()):
            return web.json_response({"error": "authorization_failed"}, status=403)
        if self.refuse_put and request.method == "PUT":
            return web.json_response({"error": "read_only"}, status=400)
        if path == "config" and request.method == "PUT":
            self.config |= await request.json()
            return web.json_response(self.config)
        collection, _, name = path.partition("/")
        if collection in ("event_sinks", "auth_backends") and request.method in ("PUT", "DELETE"):
            items = [one for one in self.config.get(collection, []) if one["name"] != name]
            if request.method == "PUT":
                body = await request.json()
                items.append({key: body[key] for key in body if key != "$reset"})
            self.config[collection] = items
            return web.Response(status=204)
        answers: dict[str, Any] = {
            "config": {"listeners": {"rtmp": [{"port": 1935}]}, **self.config},
            "config/stats": {
                "hostname": self.hostname,
                "streamer_status": "running",
                "now": round(time.time() * 1000),
                **self.stats,
            },
            "streams": {
                "streams": [
                    {**item, "stats": {"alive": True, **self.stream_stats}}
                    for item in self._running.values()
                ],
                "next": None,
            },
            "sessions": {"sessions": self.sessions, "next": None},
        }
        if path in answers:
            return web.json_response(answers[path])
        return web.Response(status=204)


StartStreamer = Callable[..., Awaitable[FakeStreamer]]


@pytest.fixture
async def start_streamer() -> AsyncIterator[StartStreamer]:
    """`await start_streamer(hostname)`: a fake streamer that reconciles all the time."""
    started: list[tuple[FakeStreamer, asyncio.Task[None]]] = []

    async def reconcile(streamer: FakeStreamer) -> None:
        while True:
            if streamer._runner is not None and streamer.config.get("config_external"):
                # Central may be ending, or have deleted this streamer: keep what is running.
                with contextlib.suppress(aiohttp.ClientError, AssertionError):
                    await streamer.reconcile()
            await asyncio.sleep(0.05)

    async def start(hostname: str, **fields: Any) -> FakeStreamer:
        streamer = FakeStreamer(hostname, **fields)
        await streamer.start()
        started.append((streamer, asyncio.create_task(reconcile(streamer))))
        return streamer

    yield start
    for streamer, task in started:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await streamer.stop()
