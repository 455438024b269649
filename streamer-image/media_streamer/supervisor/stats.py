"""What the server says about itself: load, memory, traffic, uptime (`/config/stats`).

CPU and memory are those of the machine, read from /proc (proc_stat(5), proc_meminfo(5)).
"""

import shutil
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_api.balancing import BITS_PER_KBIT, Candidate
from media_process.cores import usable_cores
from media_rest.redact import redact_text

from media_streamer.archive.keeper import disk_figures
from media_streamer.supervisor.catalog import Catalog, Stream
from media_streamer.supervisor.disk_load import DiskLoad
from media_streamer.supervisor.gpus import GpuMonitor
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.loop_load import LoopLoad
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.version import server_version

JsonObject = dict[str, Any]

CPU_WINDOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _CpuSample:
    at: float
    busy: int
    total: int


class MachineLoad:
    """Sampled each second, answered without I/O."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._samples: deque[_CpuSample] = deque()
        self.memory_usage = 0

    def sample(self) -> None:
        """Read /proc; a machine that hides it has no figures."""
        try:
            cpu = self._proc.joinpath("stat").read_text().split("\n", 1)[0].split()[1:]
            memory = self._proc.joinpath("meminfo").read_text()
        except OSError:
            return
        ticks = [int(word) for word in cpu[:8]]  # guest time is in user time already
        idle = ticks[3] + ticks[4]
        self._samples.append(_CpuSample(time.monotonic(), sum(ticks) - idle, sum(ticks)))
        while (
            len(self._samples) > 2
            and self._samples[-1].at - self._samples[0].at > CPU_WINDOW_SECONDS
        ):
            self._samples.popleft()
        self.memory_usage = _memory_usage(memory)

    @property
    def cpu_usage(self) -> int:
        """Percent of all cores over the last seconds."""
        if len(self._samples) < 2:
            return 0
        first, last = self._samples[0], self._samples[-1]
        total = last.total - first.total
        return min(100, round(100 * (last.busy - first.busy) / total)) if total > 0 else 0


def _memory_usage(text: str) -> int:
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    try:
        total = int(values["MemTotal"].split()[0])
        available = int(values["MemAvailable"].split()[0])
    except (KeyError, ValueError, IndexError):
        return 0
    return round(100 * (total - available) / total) if total else 0


class ServerStats:
    """Identity of this run and figures of the whole server."""

    def __init__(
        self,
        hostname: Callable[[], str],
        catalog: Catalog,
        sessions: SessionRegistry,
        gpus: GpuMonitor,
        loops: LoopLoad,
        jobs: JobPlacement,
        archive_disks: Callable[[], list[JsonObject]],
    ) -> None:
        """`archive_disks`: rows of `media_api.server_status.PartitionStats`."""
        self._archive_disks = archive_disks
        self._hostname = hostname
        self._loops = loops
        self.started_at = int(time.time())
        self.load = MachineLoad()
        self.disk_load = DiskLoad()
        self._version = server_version()
        self._cores = usable_cores()
        self._catalog = catalog
        self._sessions = sessions
        self._gpus = gpus
        self._jobs = jobs
        self._began = time.monotonic()

    @property
    def hostname(self) -> str:
        """As the configuration says now."""
        return self._hostname()

    @property
    def id(self) -> str:
        """The same after a restart, so that metrics of a server go on."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, self.hostname))

    def whoami(self) -> JsonObject:
        """Body of the probes (`media_api.server_status.WhoAmI`)."""
        return {
            "server_version": self._version,
            "build": 1,
            "now": int(time.time() * 1000),
            "started_at": self.started_at,
        }

    def figures(self) -> JsonObject:
        """Figures of `media_api.server_status.ServerStats`."""
        streams = list(self._catalog.streams.values())
        output = self.output_kbit
        capacity = self._catalog.config.total_bandwidth
        figures: JsonObject = {
            **self.whoami(),
            "id": self.id,
            "hostname": self.hostname,
            "license_type": "undefined",
            **_NOT_A_PART,
            "transcoder": True,
            "uptime": int(time.monotonic() - self._began),
            "cpu_usage": self.load.cpu_usage,
            "cpu_cores": self._cores,
            "memory_usage": self.load.memory_usage,
            "scheduler_load": self._loops.percent,
            "partitions": self._partitions(),
            "total_clients": self._sessions.clients,
            "total_streams": len(streams),
            "online_streams": sum(bool(item.stats.get("alive")) for item in streams),
            "opened_files": len(self._sessions.opened_files()),
            "input_kbit": sum(int(item.stats.get("input_bitrate") or 0) for item in streams),
            "output_kbit": output,
            "transcoder_devices": self._gpus.devices,
        }
        if capacity:
            figures["total_bandwidth"] = capacity
            figures["bandwidth_usage"] = min(100, round(100 * output * 1000 / capacity))
        return figures

    @property
    def output_kbit(self) -> int:
        """What viewers and pushes get, over the last seconds."""
        return self._sessions.rate_kbit() + self._jobs.rate_kbit()

    def load_now(self) -> Candidate:
        """What a balancer goes by."""
        streams = self._catalog.streams.values()
        return Candidate(
            self.hostname,
            output_kbit=self.output_kbit,
            clients=self._sessions.clients,
            streams=sum(bool(item.stats.get("alive")) for item in streams),
            capacity_kbit=(self._catalog.config.total_bandwidth or 0) // BITS_PER_KBIT,
        )

    def _partitions(self) -> list[JsonObject]:
        """Disks that matter: of the system and of the archives, which their threads look at."""
        usage = shutil.disk_usage("/")
        system = {"path": "/", **disk_figures(usage.total, usage.used)}
        found = [system, *self._archive_disks()]
        return [{**disk, **self.disk_load.figures(disk["path"])} for disk in found]


_NOT_A_PART = dict.fromkeys(
    ("is_chassis", "vsaas", "vsaas_branding", "vsaas_running", "rproxy", "rproxy_running"), False
)
"""Published flags of products that this server does not contain."""

_UNLESS_SAID: JsonObject = {
    "status": "waiting",
    "alive": False,
    "lifetime": 0,
    "bytes_in": 0,
    "retry_count": 0,
    "bitrate": 0,
    "input_bitrate": 0,
    "input_error_rate": 0,
    "dvr_enabled": False,
    "coder_error": False,
    "running_transcoder": False,
    "transcoder_overloaded": False,
}
"""Of a stream whose worker has not said it (yet)."""


def _since(stats: JsonObject) -> JsonObject:
    """Times that go on without frames: a worker does not tell each second that nothing came."""
    if stats.get("ts_delay") is not None:
        return {}
    now, found = int(time.time() * 1000), {}
    for name, since in (("lifetime", "started_at"), ("ts_delay", "last_dts_at")):
        if stats.get(since) is not None:
            found[name] = max(0, now - stats[since])
    return found


def stream_stats(stream: Stream, sessions: SessionRegistry, hostname: str) -> JsonObject:
    """`stats` of one stream: what its media worker says, and what its viewers cost."""
    viewers = sessions.of_stream(stream.name)
    totals = sessions.totals(stream.name)
    stats = {key: value for key, value in stream.stats.items() if key != "inputs"}
    clients = len(viewers)
    inputs = stream.config.inputs
    url = {"url": redact_text(inputs[0].url)} if inputs else {}
    stats = {**_UNLESS_SAID, **url, **_since(stats), **stats}
    if stream.problem and not stats["alive"]:
        stats["status"] = "error"
        stats["source_error"] = stream.problem
    running = stats["running"] = stats["status"] == "running"
    if stats.get("started_at") is not None:
        stats["start_running_at"] = stats["started_at"]
    elsewhere = stream.elsewhere
    if elsewhere is not None:
        stats |= {
            "remote": stream.named_by == "remote",
            "source_hostname": elsewhere.hostname,
            "via": [one for one in elsewhere.via if one],
        }
    publisher = next(iter(sessions.of_stream(stream.name, "publish")), None)
    if publisher is not None:
        stats["published_from"], stats["published_via"] = publisher.ip, publisher.proto
    return {
        **stats,
        "bytes_out": totals.bytes,
        "out_bandwidth": sessions.rate_kbit(stream.name),
        "client_count": clients,
        "online_clients": clients,
        "running_on": [hostname] if running else [],
        "play": {
            "play_opened_sessions": clients,
            "play_total_sessions": totals.play_sessions,
            "bytes": totals.bytes,
            "errors_dropped_frames": 0,
            **totals.answers,
        },
    }
