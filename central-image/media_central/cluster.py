"""Central in a Kubernetes cluster: translates its API into custom resources and back.

The resources are the truth and the operator places the streams; Central answers the API and the UI,
tells the streamer pods what to run, and says in the statuses what arrives there. PostgreSQL keeps
the history and nothing waits for it: it may be away, also while Central starts.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import asyncpg
from media_kube.client import KubeClient
from media_kube.election import Election

from media_central.db import (
    Database,
    DatabaseUnavailable,
    MigrationError,
    packaged_migrations,
    raise_if_cancelled,
)
from media_central.history.episodes import Episodes
from media_central.history.store import History
from media_central.pod_identity import PodIdentities
from media_central.server import Central, make_context, own_url, serve, start_collecting
from media_central.settings import Settings
from media_central.store.kubernetes import KubernetesStore
from media_central.store.kubernetes.status import LEASE_NAME, StatusWriter
from media_central.store.kubernetes.wake import Waker

log = logging.getLogger(__name__)

DATABASE_RETRY_SECONDS = 5.0


@contextlib.asynccontextmanager
async def running_in_cluster(settings: Settings) -> AsyncIterator[Central]:
    """Starts all and yields when it serves. Raises StartError, StoreUnavailableError, …"""
    assert settings.database_url is not None
    api_key = settings.api_key or ""
    async with contextlib.AsyncExitStack() as stack:
        client = await KubeClient.connect()
        stack.push_async_callback(client.close)
        database = await Database.late(
            settings.database_url, max_connections=settings.database_max_connections
        )
        stack.push_async_callback(database.close)
        store = KubernetesStore(
            client,
            namespace=settings.watch_namespace,
            home=settings.pod_namespace,
            cluster_key=settings.cluster_key or "",
        )
        stack.push_async_callback(store.close)
        await store.start()
        history = History(database, settings.retention)
        stack.push_async_callback(history.close)
        opening = asyncio.create_task(_open_history(database, history), name="open-history")
        stack.callback(opening.cancel)
        server_id = settings.watch_namespace or "cluster"
        episodes, waker = Episodes(database), Waker(client, store)
        pods = PodIdentities(client, settings.watch_namespace)
        stack.push_async_callback(pods.close)
        await pods.start()
        context = make_context(settings, api_key, store, history, episodes, server_id, waker, pods)
        await serve(stack, context)
        await start_collecting(stack, context)
        identity = settings.pod_name or socket.gethostname()
        election = Election(client, settings.pod_namespace, LEASE_NAME, identity)
        writer = StatusWriter(client, store, election)
        stack.push_async_callback(writer.close)
        writer.start(context.fleet)
        await context.fleet.start()
        yield Central(settings, context, own_url(settings))


async def _open_history(database: Database, history: History) -> None:
    """Migrate once the database is there, then let the history be written."""
    while True:
        try:
            await database.migrate(packaged_migrations())
            await history.start()
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            raise_if_cancelled(error)
            log.warning("no history yet: %s; again in %.0f s", error, DATABASE_RETRY_SECONDS)
            await asyncio.sleep(DATABASE_RETRY_SECONDS)
        except MigrationError as error:
            log.error("no history: %s", error)
            return
        else:
            return
