"""The public ports: opened last at the start, brought in step by a reload.

Invariant: a port that cannot be had at the start ends it; later it is an alert, and all other ports
go on.
"""

import asyncio
import logging
from collections.abc import Collection

from media_api import protocols
from media_api.server import ServerConfig

from media_streamer.config import ports
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.catalog import Catalog, Changes
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.listeners import listener_specs, port_of, ports_of, probe
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.srt_ports import SRT, SrtPorts
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import ListenerSpec

log = logging.getLogger(__name__)

EGRESS_START_SECONDS = 150.0
"""Less than the three minutes of a pod. A node without CPU time takes half a minute for a start;
whoever gives up then begins anew, and takes it from those that start beside it."""

Place = tuple[str, str, int]
"""`ListenerSpec.place`."""


class StartFailed(Exception):  # noqa: N818 - an outcome, told to the person at the terminal
    """The server cannot start; the message says why and what to do."""


class Ports:
    """One per server."""

    def __init__(
        self,
        settings: Settings,
        egress: EgressWorkers,
        alerts: Alerts,
        catalog: Catalog,
        tasks: Tasks,
    ) -> None:
        self._directory = settings.config_path.absolute().parent
        """Where relative paths of certificates start."""
        self._workers = settings.egress_workers
        self._egress = egress
        self._alerts = alerts
        self._catalog = catalog
        self._tasks = tasks
        self._changing = asyncio.Lock()
        self._told: list[ListenerSpec] | None = None
        """What the workers shall listen at; None until `open`."""
        self.srt = SrtPorts()

    def wanted(self, config: ServerConfig) -> list[ListenerSpec]:
        usual = listener_specs(config.listeners, self._directory)
        return [
            *(spec for spec in usual if spec.protocol != SRT),
            *(ListenerSpec(SRT, port.address, port.port) for port in self.srt),
        ]

    def _datagrams(self, config: ServerConfig) -> list[tuple[str, ports.Place]]:
        """Ports of UDP that are not for SRT: those of each worker."""
        return [
            (spec.protocol, ports.place_of(spec.protocol, spec.address, spec.port + number))
            for spec in listener_specs(config.listeners, self._directory)
            if spec.protocol != SRT and _socket(spec)[0]
            for number in range(
                self._workers if protocols.listeners()[spec.protocol][1].per_worker else 1
            )
        ]

    def configured(self, config: ServerConfig) -> None:
        """The server has another configuration."""
        self.srt.set_server(config, self._datagrams(config))
        self._follow(config)

    def streams_changed(self, changes: Changes) -> None:
        """Some have ports of their own."""
        for name in changes.removed:
            self.srt.drop(name)
        for name in changes.added | changes.changed:
            if (stream := self._catalog.streams.get(name)) is not None:
                self.srt.put(stream.config)
        if self.srt.changed:
            self._follow(self._catalog.config)

    def _follow(self, config: ServerConfig) -> None:
        self.srt.changed = False
        if self._told is not None and self.wanted(config) != self._told:
            self._tasks.spawn(self._change(), "listeners")

    def numbers(self, config: ServerConfig) -> str:
        """For the person at the terminal."""
        found = [port for spec in self.wanted(config) for port in ports_of(spec)]
        return ", ".join(map(str, sorted(found)))

    def refuse_occupied(self, config: ServerConfig, held: Collection[Place]) -> None:
        """Raises StartFailed if a port is somebody else's; `held` are ports of our workers."""
        wanted = [spec for spec in self.wanted(config) if spec.place not in held]
        problems = probe(map(port_of, wanted), self._workers)
        if problems:
            raise StartFailed("; ".join(problems[port] for port in sorted(problems)))

    async def open(self, config: ServerConfig) -> None:
        """Wait for one egress worker, then listen. Raises StartFailed."""
        try:
            async with asyncio.timeout(EGRESS_START_SECONDS):
                await self._egress.wait_for_one()
        except TimeoutError:
            raise StartFailed(
                "no egress worker started within"
                f" {EGRESS_START_SECONDS:.0f} s: see the errors above"
            ) from None
        self._told = self.wanted(config)
        problems = await self._egress.listen(self._told)
        if problems:
            raise StartFailed("; ".join(problems))
        self._alerts.set("listeners", "; ".join(self.srt.problems))

    async def _change(self) -> None:
        """Open new ports, close old ones; what cannot be had is an alert, the rest goes on."""
        async with self._changing:
            wanted = self.wanted(self._catalog.config)
            # What is ours by another protocol is not probed: it goes as the new one comes.
            ours = {_socket(spec) for spec in self._told or ()}
            added = {port_of(spec) for spec in wanted if _socket(spec) not in ours}
            refused = await asyncio.to_thread(probe, added, self._workers)
            problems = [*self.srt.problems, *(refused[port] for port in sorted(refused))]
            self._told = [item for item in wanted if port_of(item) not in refused]
            problems += await self._egress.listen(self._told)
        if problems:
            log.error("listeners: %s", "; ".join(problems))
        self._alerts.set("listeners", "; ".join(problems))


def _socket(spec: ListenerSpec) -> ports.Place:
    return ports.place_of(spec.protocol, spec.address, spec.port)
