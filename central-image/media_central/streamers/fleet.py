"""All streamers: a link each, started and stopped as the store says."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from media_api.base import JsonObject

from media_central.store.port import Kind, Record, ResourceStore
from media_central.streamers.client import (
    CONNECT_TIMEOUT_SECONDS,
    StreamerClient,
    StreamerError,
    api_base,
)
from media_central.streamers.link import LinkOptions, StreamerLink

log = logging.getLogger(__name__)

Listener = Callable[[StreamerLink], None]


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Time-outs in seconds."""

    link: LinkOptions
    fetch_timeout: float
    dead_timeout: float


class Fleet:
    """`start()`, then links follow the store; `close()` ends all."""

    def __init__(self, store: ResourceStore, options: FleetOptions) -> None:
        self._store = store
        self._options = options
        self._links: dict[str, StreamerLink] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._follower: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._listeners: list[Listener] = []
        self._leaving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._sync()
        self._follower = asyncio.create_task(self._follow(), name="fleet")

    async def close(self) -> None:
        tasks = [*self._tasks.values(), *self._leaving]
        tasks += [self._follower] if self._follower else []
        self._tasks, self._follower = {}, None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
            self._http = None

    def on_poll(self, listener: Listener) -> Callable[[], None]:
        """Called after each poll of a streamer, in the event loop; must not block.

        Returns what ends that.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def link(self, hostname: str) -> StreamerLink | None:
        return self._links.get(hostname)

    def links(self) -> list[StreamerLink]:
        return list(self._links.values())

    def is_alive(self, record: Record) -> bool:
        """False once it has been silent for its stale_timeout; since the start counts as heard."""
        link = self._links.get(record.key)
        if link is None:
            return False
        limit_ms = record.config.get("stale_timeout")
        limit = limit_ms / 1000 if limit_ms else self._options.dead_timeout
        return link.silent_for(time.monotonic()) <= limit

    async def check(self, config: JsonObject) -> None:
        """Asks a streamer that is not saved yet. Raises StreamerError."""
        stats = await self._client(config).get("/config/stats")
        if not isinstance(stats, dict):
            raise StreamerError("the answer is not that of a streamer")

    def _client(self, config: JsonObject) -> StreamerClient:
        if self._http is None:
            raise StreamerError("Central is stopping")
        timeout_ms = config.get("fetch_timeout")
        return StreamerClient(
            self._http,
            api_base(config["hostname"], config.get("api_url")),
            config.get("cluster_key"),
            timeout_ms / 1000 if timeout_ms else self._options.fetch_timeout,
        )

    async def _follow(self) -> None:
        with self._store.watch() as watch:
            self._sync()
            while True:
                changed = await watch.next()
                if any(kind is Kind.AUTH_BACKEND for kind, _ in changed):
                    for link in self._links.values():
                        link.provision_soon()
                if any(kind is Kind.STREAMER for kind, _ in changed):
                    try:
                        self._sync()
                    except Exception:
                        log.exception(
                            "streamers could not be followed; the next change tries again"
                        )

    def _sync(self) -> None:
        records = {record.key: record for record in self._store.all(Kind.STREAMER)}
        for hostname in [name for name in self._links if name not in records]:
            gone = self._links.pop(hostname)
            self._stop(hostname)
            task = asyncio.create_task(gone.leave(), name=f"streamer-leave-{hostname}")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        for hostname, record in records.items():
            link = self._links.get(hostname)
            if link is None or link.config != record.config:
                self._stop(hostname)
                self._start(record)

    def _start(self, record: Record) -> None:
        before = self._links.get(record.key)
        link = StreamerLink(
            record.config,
            self._client(record.config),
            self._options.link,
            self._notify,
            self.links,
        )
        if before is not None:
            # What was known stays true when a label or a limit is edited.
            link.take_over(before)
        self._links[record.key] = link
        self._tasks[record.key] = asyncio.create_task(link.run(), name=f"streamer-{record.key}")

    def _stop(self, hostname: str) -> None:
        task = self._tasks.pop(hostname, None)
        if task is not None:
            task.cancel()

    def _notify(self, link: StreamerLink) -> None:
        if self._links.get(link.hostname) is link:
            for listener in list(self._listeners):
                listener(link)
