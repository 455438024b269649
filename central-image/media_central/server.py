"""Central put together: what is started, in which order, and ended in the reverse one."""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import quote

import aiohttp
from aiohttp import web
from media_api.base import JsonObject
from media_api.play_urls import play_urls
from media_auth.countries import open_countries
from media_auth.http_backend import HttpBackend
from media_process import collector
from media_process.descriptors import connection_limit
from media_process.door import Doorkeeper
from media_process.http_log import http_logger
from media_process.patience import Patience
from media_rest.first_password import LOGIN as FIRST_LOGIN
from media_rest.first_password import first_password

from media_central.access import Keys, streamer_key
from media_central.db import Database
from media_central.history.collector import Collector
from media_central.history.episodes import Episodes
from media_central.history.store import History
from media_central.layouter import Layouter
from media_central.pod_identity import PodIdentities
from media_central.rest.address import inside
from media_central.rest.app import make_app
from media_central.rest.context import BASES, Context, Waker
from media_central.setting_values import Login
from media_central.settings import Settings
from media_central.store.kubernetes.translate import is_pod
from media_central.store.port import Kind, ResourceStore
from media_central.store.postgres import PostgresStore
from media_central.streamers import local
from media_central.streamers.fleet import Fleet, FleetOptions
from media_central.streamers.link import LinkOptions
from media_central.streamers.provision import Wanted, wanted
from media_central.trial import TrialKeys, trial_keys
from media_central.views import Views

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 20_000
"""However many descriptors there are: about 20 KB of memory each."""
ADDRESS_CONNECTIONS = 1000
"""Of one address, but for trusted proxies and this machine."""
SHUTDOWN_SECONDS = 5.0
LINGER_SECONDS = 1.0
"""A body that nobody reads is taken for so long, so that its sender finds the answer."""
KEEP_ALIVE_SECONDS = 75.0
"""Within this the head of a request must be there."""
DEMO_STREAM = "demo"
LOCAL_STATS_SECONDS = 1.0
"""One streamer on the same machine can be asked often, so that the UI follows at once."""


class StartError(Exception):
    """Central cannot start; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Central:
    """A running Central."""

    settings: Settings
    context: Context
    url: str
    told: str = ""
    """How to log in, where nobody said it."""


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Central]:
    """Starts all and yields when it serves. Raises StartError, DatabaseUnavailable, …"""
    keys = trial_keys(settings.data_directory) if settings.trial else None
    made = first_password(settings.data_directory) if settings.needs_password else None
    if made is not None:
        settings = replace(settings, edit_auth=Login(FIRST_LOGIN, made.password))
    api_key = settings.api_key or (keys.api_key if keys else "")
    async with contextlib.AsyncExitStack() as stack:
        database_url = settings.database_url
        if database_url is None:
            # Not even imported for those who bring their own database.
            from media_central.embedded import EmbeddedPostgres

            server = EmbeddedPostgres(settings.data_directory)
            await stack.enter_async_context(server)
            database_url = server.url
        database = await Database.open(
            database_url,
            max_connections=settings.database_max_connections,
            retries=settings.database_connect_max_retries,
            pause=settings.database_connect_retry_timeout,
        )
        stack.push_async_callback(database.close)
        store = PostgresStore(database)
        stack.push_async_callback(store.close)
        await store.start()
        history = History(database, settings.retention)
        stack.push_async_callback(history.close)
        await history.start()
        server_id = await _server_id(database)
        context = make_context(settings, api_key, store, history, Episodes(database), server_id)
        fleet = context.fleet
        await serve(stack, context)
        started_local = False
        if keys is not None:
            first = await _is_first_start(database)
            started_local = await _start_trial(stack, context, keys, api_key, first)
        await start_collecting(stack, context)
        await fleet.start()
        if context.layouter is not None:
            stack.push_async_callback(context.layouter.close)
            starting = frozenset({local.HOSTNAME}) if started_local else frozenset()
            await context.layouter.start(starting)
        yield Central(settings, context, own_url(settings), made.told() if made else "")


def make_context(
    settings: Settings,
    api_key: str,
    store: ResourceStore,
    history: History,
    episodes: Episodes,
    server_id: str,
    waker: Waker | None = None,
    pods: PodIdentities | None = None,
) -> Context:
    """What the handlers of the API share; nothing is started."""
    fleet = Fleet(store, fleet_options(settings, api_key, store))
    try:
        countries = open_countries(str(settings.geoip)) if settings.geoip is not None else None
    except (OSError, ValueError) as error:
        raise StartError(f"GEOIP: {error}") from None
    layouter = None
    if settings.layouter_enabled and not settings.in_cluster:
        interval = settings.layouter_sleeping_interval
        layouter = Layouter(store, fleet, interval=interval, on_layout=history.add_layout)
    return Context(
        settings=settings,
        keys=Keys(settings.login, api_key, settings.view_auth, pods.hostname if pods else _no_pod),
        store=store,
        fleet=fleet,
        views=Views(store, fleet),
        history=history,
        episodes=episodes,
        countries=countries,
        server_id=server_id,
        started_at=time.time(),
        layouter=layouter,
        waker=waker,
    )


def _no_pod(_: str) -> None:
    return None


async def start_collecting(stack: contextlib.AsyncExitStack, context: Context) -> None:
    """History of what the fleet will bring, until the stack is closed, which ends the fleet."""
    stack.push_async_callback(context.fleet.close)
    collector = Collector(context.fleet, context.history, context.store.shown_of)
    stack.push_async_callback(collector.close)
    await collector.start()


def own_url(settings: Settings) -> str:
    """Where a person on this machine finds Central."""
    address = settings.listen_address or "127.0.0.1"
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{settings.http_port}"


def url_for_streamers(settings: Settings) -> str:
    """Where streamers reach Central. API_URL may carry the API's path or not; may ask the DNS."""
    if settings.api_url is not None:
        base = settings.api_url
        for path in BASES:
            base = base.removesuffix(path)
        return base
    if settings.with_local_streamer:
        return own_url(settings)
    base = f"http://{socket.getfqdn()}:{settings.http_port}"
    log.warning("API_URL is not set: streamers are told to reach Central at %s", base)
    return base


def external_url(base: str, key: str, hostname: str) -> str:
    """The config_external of a streamer; `base` from `url_for_streamers`; no `key`: a pod's."""
    scheme, _, rest = base.partition("://")
    user = f"{quote(key, safe='')}@" if key else ""
    return f"{scheme}://{user}{rest}{BASES[0]}/streamers/{quote(hostname, safe='')}"


def events_url(external: str) -> str:
    """Where a streamer sends its events; it is known by its key and its name."""
    base, _, name = external.rpartition("/streamers/")
    return f"{base}/events/collector?server={name}"


def fleet_options(settings: Settings, api_key: str, store: ResourceStore) -> FleetOptions:
    """How streamers are polled and provisioned."""
    provision = settings.cluster_node_config_provision_enabled
    interval = settings.streams_stats_fetch_interval
    base = url_for_streamers(settings) if provision else ""

    def wanted_of(record: JsonObject) -> Wanted:
        name = record["hostname"]
        key = "" if settings.in_cluster and is_pod(record) else streamer_key(api_key, name)
        external = external_url(base, key, name)
        # The file of a pod is not Central's to write; what it must say is the operator's.
        ours = not settings.in_cluster
        rule_sets = {one.key: one.config for one in store.all(Kind.AUTH_BACKEND)} if ours else {}
        events = events_url(external) if ours else None
        return wanted(external, events, record, rule_sets)

    link = LinkOptions(
        poll_interval=min(interval, LOCAL_STATS_SECONDS) if settings.trial else interval,
        fails_threshold=settings.streamer_healthcheck_fails_threshold,
        retries=settings.cluster_streamer_connector_retries,
        wanted=wanted_of if provision else None,
    )
    return FleetOptions(link, settings.streamer_fetch_timeout, settings.dead_timeout)


async def serve(stack: contextlib.AsyncExitStack, context: Context) -> None:
    """Listens on the ports of the settings until the stack is closed. Raises StartError."""
    settings = context.settings
    http = await stack.enter_async_context(
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    )
    runner = web.AppRunner(
        make_app(context, HttpBackend(http)),
        access_log=None,
        logger=http_logger("media_central.http"),
        handle_signals=False,
        shutdown_timeout=SHUTDOWN_SECONDS,
        auto_decompress=False,  # a packed body may unpack to any size
        lingering_time=LINGER_SECONDS,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None
    patience = asyncio.create_task(Patience(runner.server).run(), name="patience")
    stack.callback(patience.cancel)
    reading = asyncio.create_task(context.views.keep_ready(collector.keep), name="views")
    stack.callback(reading.cancel)
    door = Doorkeeper(connection_limit(MAX_CONNECTIONS))
    door.per_address = min(door.per_address, ADDRESS_CONNECTIONS)
    door.exempt = lambda address: inside(address, settings.trusted_proxies)
    await _listen(stack, door, runner, settings, "HTTP_PORT", settings.http_port)
    if settings.https_port is not None:
        tls = _tls(settings)
        await _listen(stack, door, runner, settings, "HTTPS_PORT", settings.https_port, tls)


async def _listen(
    stack: contextlib.AsyncExitStack,
    door: Doorkeeper,
    runner: web.AppRunner,
    settings: Settings,
    name: str,
    port: int,
    tls: ssl.SSLContext | None = None,
) -> None:
    assert runner.server is not None
    try:
        servers = await door.listen(runner.server, settings.listen_address, port, tls)
    except OSError as error:
        raise StartError(
            f"cannot listen on port {port} ({error.strerror or error}): set {name} to a free port"
        ) from None
    for server in servers:
        stack.callback(server.close)


def _tls(settings: Settings) -> ssl.SSLContext:
    assert settings.ssl_certificate is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.ssl_certificate, settings.ssl_certificate_key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            "SSL_CERTIFICATE and SSL_CERTIFICATE_KEY are not a PEM certificate and its key:"
            f" {error}"
        ) from None
    return context


async def _server_id(database: Database) -> str:
    """Made once for a database and kept in it."""
    async with database.acquire() as connection:
        value: str = await connection.fetchval(
            "INSERT INTO central_state (name, value) VALUES ('server_id', $1)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value",
            str(uuid.uuid4()),
        )
    return value


async def _is_first_start(database: Database) -> bool:
    """True once for a database."""
    async with database.acquire() as connection:
        tag: str = await connection.execute(
            "INSERT INTO central_state (name, value) VALUES ('demo_made', 'true')"
            " ON CONFLICT DO NOTHING"
        )
    return tag.endswith(" 1")


async def _start_trial(
    stack: contextlib.AsyncExitStack,
    context: Context,
    keys: TrialKeys,
    api_key: str,
    first: bool,
) -> bool:
    """The local streamer, if wanted and installed, and the demo stream at the first start.

    Returns whether there is a local streamer.
    """
    settings = context.settings
    wanted = settings.with_local_streamer and local.is_installed()
    if settings.with_local_streamer and not wanted:
        log.warning("no local streamer: the package media_streamer is not installed")
    if wanted:
        options = local.LocalOptions(
            directory=settings.data_directory,
            ports=settings.streamer_ports,
            address=settings.listen_address,
            cluster_key=keys.cluster_key,
            external_url=external_url(
                url_for_streamers(settings),
                streamer_key(api_key, local.HOSTNAME),
                local.HOSTNAME,
            ),
            login=settings.login,
            public_url=settings.public_url,
            public_ports=dict(settings.public_ports),
        )
        await context.store.put(Kind.STREAMER, local.HOSTNAME, local.record(options))
        streamer = local.LocalStreamer(options)
        stack.push_async_callback(streamer.close)
        await streamer.start()
    if first:
        demo: JsonObject = {
            "name": DEMO_STREAM,
            "title": "Demo",
            "inputs": [{"url": "fake://fake"}],
        }
        await context.store.put(Kind.STREAM, DEMO_STREAM, demo)
    return wanted


def greeting(central: Central) -> list[str]:
    """What a person needs to go on, a line each."""
    settings = central.settings
    lines = [f"Central is ready: {central.url}/"]
    if settings.https_port is not None:
        lines.append(f"  HTTPS on port {settings.https_port}")
    login = settings.login
    if login is not None:
        shown = login.password if settings.edit_auth is None else "as set in EDIT_AUTH"
        lines.append("  " + (central.told or f"login: {login.login}  password: {shown}"))
    if settings.listen_address == "127.0.0.1":
        lines.append("  reachable from this machine only; HTTP_ADDRESS=0.0.0.0 opens it to others")
    if settings.with_local_streamer and central.context.store.get(Kind.STREAM, DEMO_STREAM):
        host = settings.listen_address or "127.0.0.1"
        base = settings.public_url or f"http://{host}:{settings.streamer_http_port}"
        ports = {**settings.streamer_ports, **dict(settings.public_ports)}
        lines.append("Demo stream:")
        lines += [
            f"  {item.title + ':':<24}{item.url}" for item in play_urls(DEMO_STREAM, base, ports)
        ]
    return lines
