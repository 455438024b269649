"""The public ports: opened last at the start, brought in step by a reload.

Invariant: a port that cannot be had at the start ends it; later it is an alert, and all other ports
go on.
"""

import asyncio
import logging

from media_api.server import ServerConfig

from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.listeners import listener_specs, port_of, probe
from media_streamer.supervisor.settings import Settings
from media_streamer.wire.control import ListenerSpec

log = logging.getLogger(__name__)

EGRESS_START_SECONDS = 30.0


class StartFailed(Exception):  # noqa: N818 - an outcome, told to the person at the terminal
    """The server cannot start; the message says why and what to do."""


class Ports:
    """One per server."""

    def __init__(self, settings: Settings, egress: EgressWorkers, alerts: Alerts) -> None:
        self._directory = settings.config_path.absolute().parent
        """Where relative paths of certificates start."""
        self._workers = settings.egress_workers
        self._egress = egress
        self._alerts = alerts

    def wanted(self, config: ServerConfig) -> list[ListenerSpec]:
        return listener_specs(config.listeners, self._directory)

    def numbers(self, config: ServerConfig) -> str:
        """For the person at the terminal."""
        return ", ".join(str(port) for port in sorted(map(port_of, self.wanted(config))))

    def refuse_occupied(self, config: ServerConfig) -> None:
        """Raises StartFailed if a port is somebody else's."""
        problems = probe(map(port_of, self.wanted(config)), self._workers)
        if problems:
            raise StartFailed("; ".join(problems[port] for port in sorted(problems)))

    async def open(self, config: ServerConfig) -> None:
        """Wait for one egress worker, then listen. Raises StartFailed."""
        try:
            await asyncio.wait_for(self._egress.wait_for_one(), EGRESS_START_SECONDS)
        except TimeoutError:
            raise StartFailed(
                "no egress worker started within"
                f" {EGRESS_START_SECONDS:.0f} s: see the errors above"
            ) from None
        problems = await self._egress.listen(self.wanted(config))
        if problems:
            raise StartFailed("; ".join(problems))

    async def change(self, old: ServerConfig, new: ServerConfig) -> None:
        """Open new ports, close old ones; what cannot be had is an alert, the rest goes on."""
        wanted = self.wanted(new)
        added = set(map(port_of, wanted)) - set(map(port_of, self.wanted(old)))
        refused = await asyncio.to_thread(probe, added, self._workers)
        problems = [refused[port] for port in sorted(refused)]
        problems += await self._egress.listen(
            [item for item in wanted if port_of(item) not in refused]
        )
        if problems:
            log.error("listeners: %s", "; ".join(problems))
        self._alerts.set("listeners", "; ".join(problems))
