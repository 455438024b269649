"""The process: open the store, listen, drain on SIGTERM."""

import asyncio
import contextlib
import logging
import signal

from media_process.descriptors import connection_limit
from media_process.door import Doorkeeper

from media_streamer.budgets import WORKER_CONNECTIONS
from media_streamer.cache.app import CacheApp
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.settings import CacheSettings
from media_streamer.cache.store import Store
from media_streamer.egress.http.server import http_server

log = logging.getLogger(__name__)

DRAIN_SECONDS = 8.0
"""For answers under way. The pod has left its Services long before, and has 15 s to exit."""
CUT_SECONDS = 2.0


async def serve(settings: CacheSettings) -> None:
    """Run until SIGTERM or SIGINT; raises OSError if the directory or the port is not to be had."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    store = Store(
        settings.path,
        settings.storage_bytes,
        settings.expiration_seconds,
        on_evicted=lambda reason, number: metrics.evictions.labels(reason).inc(number),
    )
    await store.open()
    log.info("%s: %d files, %d bytes are stored", settings.path, len(store), store.total)
    app = CacheApp(settings, store, metrics)
    sweeper = asyncio.create_task(store.run(), name="sweeper")
    try:
        await _listen(settings, app, stop)
    finally:
        sweeper.cancel()
        await asyncio.gather(sweeper, return_exceptions=True)
        await app.close()
        store.close()


async def _listen(settings: CacheSettings, app: CacheApp, stop: asyncio.Event) -> None:
    protocols = http_server(app.handle, quick=app.quick.find)
    door = Doorkeeper(connection_limit(WORKER_CONNECTIONS))
    servers = await door.listen(protocols, settings.address, settings.port)
    log.info("serving on port %d for %s", servers[0].port, ", ".join(_plain(settings)))
    await stop.wait()
    log.info("stopping: answers under way have %.0f s", DRAIN_SECONDS)
    for server in servers:
        server.close()
    protocols.pre_shutdown()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS + CUT_SECONDS):
            await protocols.shutdown(DRAIN_SECONDS)


def _plain(settings: CacheSettings) -> list[str]:
    """The origins without user names and passwords."""
    return [str(url.with_user(None)) for url in settings.origins]
