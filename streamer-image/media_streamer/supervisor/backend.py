"""The configuration backend that holds now, if there is one: begun, exchanged and ended.

`external.py` keeps the streams in step with one backend; here its life follows the configuration.
"""

import asyncio
import contextlib
import logging
import time
from typing import Any

import aiohttp
from media_api.server import ServerConfig

from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.catalog import Changes
from media_streamer.supervisor.config_backend import ConfigBackend
from media_streamer.supervisor.events.bus import EventBus
from media_streamer.supervisor.external import ExternalConfig, forget_state
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.streams import StreamControl
from media_streamer.supervisor.tasks import Tasks

log = logging.getLogger(__name__)

RECENT_SECONDS = 60.0
RESTORE_SECONDS = 5.0


class Backend:
    """One per server."""

    def __init__(
        self,
        settings: Settings,
        http: aiohttp.ClientSession,
        streams: StreamControl,
        sessions: SessionRegistry,
        alerts: Alerts,
        bus: EventBus,
        tasks: Tasks,
    ) -> None:
        self._settings = settings
        self._http = http
        self._streams = streams
        self._sessions = sessions
        self._alerts = alerts
        self._bus = bus
        self._tasks = tasks
        self._url: str | None = None
        self._external: ExternalConfig | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> dict[str, Any] | None:
        """`config_external_status` of the API; None without a backend."""
        return self._external.status if self._external is not None else None

    @property
    def episodes_url(self) -> str:
        """Base URL of the backend while it knows episodes, else empty."""
        knows = self._external is not None and self._external.knows_episodes
        return (self._url or "") if knows else ""

    async def find(self, name: str) -> bool:
        """Ask for a name; True if the catalog has it now."""
        return self._external is not None and await self._external.find(name)

    async def restored(self) -> None:
        """Wait until what the backend said before the last stop holds, within a bound."""
        if self._external is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESTORE_SECONDS):
                    await self._external.restored.wait()

    def use(self, config: ServerConfig) -> None:
        """This configuration holds now."""
        url = config.config_external
        if url == self._url:
            return
        self._url = url
        if self._task is not None:
            self._task.cancel()
        state_file = self._settings.state / "config_external.json"
        if url is None:
            self._external = self._task = None
            catalog = self._streams.catalog
            self._streams.apply(catalog.change_external(gone=catalog.external_names))
            forget_state(state_file)
            return
        host = config.hostname or self._settings.hostname
        self._external = ExternalConfig(
            ConfigBackend(self._http, url, host, self._settings.backend_token),
            url,
            self._streams.catalog,
            state_file,
            self._changed,
            self._in_use,
            self._failed,
        )
        self._task = self._tasks.spawn(self._external.run(), "config_external")

    def _changed(self, changes: Changes) -> None:
        if not changes:
            return
        log.info(
            "config_external: %d streams added, %d removed, %d changed",
            len(changes.added),
            len(changes.removed),
            len(changes.changed),
        )
        self._streams.apply(changes)
        self._alerts.configured(self._streams.config)

    def _failed(self, status: dict[str, Any]) -> None:
        fields = {key: value for key, value in status.items() if key != "status"}
        self._bus.emit("config_external_error", **fields)

    def _in_use(self, name: str) -> bool:
        """A stream of the backend that is not listed: worth asking whether it may go on."""
        stream = self._streams.get(name)
        if stream is None:
            return False
        recent = time.monotonic() - stream.used_at < RECENT_SECONDS
        return recent or bool(stream.stats.get("alive")) or self._sessions.are_open(name)
