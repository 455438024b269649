"""Statistics as OpenMetrics or Prometheus text, and the choice between that and JSON.

Each numeric field with a metric name becomes one sample. Names are those of the reference server,
which have no `_total`; OpenMetrics demands that suffix of counters, so counters are exposed as type
unknown (OpenMetrics 1.0, "Unknown") and keep their names.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector

from media_rest.paths import MISSING, Path, value_at

MetricsFormat = Literal["openmetrics", "text"]
OPENMETRICS_TYPE = "application/openmetrics-text"
CONTENT_TYPES: dict[MetricsFormat, str] = {
    "openmetrics": f"{OPENMETRICS_TYPE}; version=1.0.0; charset=utf-8",
    "text": "text/plain; version=0.0.4; charset=utf-8",
}


@dataclass(frozen=True)
class MetricSpec:
    """One metric: its name, where its value is, whether it only grows, and its help text."""

    name: str
    path: Path
    counter: bool
    help: str


def _specs(prefix: str, root: Path, rows: str) -> tuple[MetricSpec, ...]:
    """Rows of `FIELD[:METRIC] gauge|counter HELP`."""
    specs = []
    for row in rows.strip().splitlines():
        field, kind, text = row.split(maxsplit=2)
        source, _, metric = field.partition(":")
        name = f"{prefix}_{metric or source}"
        specs.append(MetricSpec(name, (*root, *source.split(".")), kind == "counter", text))
    return tuple(specs)


STREAM_METRICS = _specs(
    "stream",
    ("stats",),
    """
    retry_count counter Attempts to connect to the source
    client_count gauge Open play sessions
    online_clients gauge Open play sessions
    bytes_in counter Bytes received
    bytes_out counter Bytes sent to viewers
    out_bandwidth gauge Output in kbit/s
    bitrate gauge Bit rate of the stream in kbit/s
    alive gauge 1 while frames arrive, 0 when the last one is older than 12 s
    input.errors:errors counter Errors of the input
    input.errors_lost_packets:lost_packets counter Packets lost on the way to the input
    play.errors_dropped_frames:dropped_frames counter Frames skipped for slow viewers
    """,
)
DVR_METRICS = _specs(
    "dvr",
    ("stats",),
    """
    dvr_info.depth:depth gauge Seconds from the oldest recording until now
    dvr_info.duration:duration gauge Recorded seconds, without gaps
    dvr_info.disk_size:disk_size gauge Size on disk in bytes
    dvr_write.bytes:written_bytes counter Bytes written
    dvr_write.errors:write_errors counter Writes that failed
    dvr_write.dropped_segments:dropped_segments counter Segments that are not recorded
    """,
)
TRANSCODER_METRICS = _specs(
    "transcoder",
    ("stats", "transcoder"),
    """
    frames_decoded counter Frames decoded
    frames_encoded counter Frames encoded, all tracks
    errors_dropped_frames:dropped_frames counter Frames dropped because it is overloaded
    restarts counter Restarts of the transcoder
    """,
)
PUSH_METRICS = _specs(
    "pusher",
    ("stats",),
    """
    bytes counter Bytes sent
    retries counter Attempts to connect
    """,
)
SERVER_METRICS = _specs(
    "server",
    (),
    """
    total_clients gauge Open play sessions
    online_streams gauge Streams that are alive
    opened_files gauge Files being played
    input_kbit:input_bitrate gauge Input in kbit/s
    output_kbit:output_bitrate gauge Output in kbit/s
    cpu_usage gauge CPU load in percent
    memory_usage gauge Memory used in percent
    scheduler_load gauge Load of the event loops in percent
    started_at gauge Start of the server, Unix seconds
    failed_logins counter Wrong passwords and keys
    refused_logins counter Logins not looked at after too many wrong ones
    srt_dropped_datagrams counter Datagrams of SRT ports that were refused or found no room
    """,
)
PARTITION_METRICS = _specs(
    "partition",
    (),
    """
    total_mb gauge Size of the partition in MiB
    usage gauge Used part of the partition in percent
    """,
)
GPU_METRICS = _specs(
    "gpu",
    (),
    """
    gpu_temp:temperature gauge Temperature in degrees Celsius
    gpu_enc:encoder_load gauge Load of the encoder in percent
    gpu_dec:decoder_load gauge Load of the decoder in percent
    """,
)
_STATES = ("operational", "degradated", "partial_outage", "outage", "disabled", "total")
CLUSTER_METRICS = tuple(
    MetricSpec(f"{kind}_{state}_count", (f"{kind}_metrics_total", state), False,
               f"Objects of kind {kind} in state {state}")
    for kind in ("agent", "stream", "streamer")
    for state in _STATES
) + tuple(
    MetricSpec(f"streamer_{metric}_kbit_total", ("streamer_bitrate_metrics_total", field), False,
               f"{metric.capitalize()} kbit/s of all streamers")
    for metric, field in (("inbound", "input_kbit"), ("outbound", "output_kbit"))
)  # fmt: skip
STREAMER_METRICS = _specs(
    "streamer",
    (),
    """
    cpu.usage:cpu_usage gauge CPU load of one streamer in percent
    memory.usage:memory_usage gauge Memory used on one streamer in percent
    network.out_kbit.usage:output_kbit gauge Output of one streamer in kbit/s
    stream_metrics.total:streams gauge Streams placed on one streamer
    gpu:gpu_usage gauge Load of the busiest encoder of one streamer's GPUs in percent
    """,
)

Labels = Mapping[str, str]
Labelled = tuple[Mapping[str, Any], Labels]


def families(specs: Iterable[MetricSpec], objects: Iterable[Labelled]) -> Iterator[Metric]:
    """One family a metric with a sample for each object that has the number."""
    rows = [(item, dict(labels)) for item, labels in objects]
    for spec in specs:
        family = _family(spec)
        for item, labels in rows:
            value = value_at(item, spec.path)
            if value is not MISSING and isinstance(value, int | float):
                family.add_sample(family.name, labels, float(value))
        if family.samples:
            yield family


def _family(spec: MetricSpec) -> Metric:
    if spec.name.endswith("_total") or spec.counter:
        return UnknownMetricFamily(spec.name, spec.help)
    return GaugeMetricFamily(spec.name, spec.help)


def stream_families(streams: Iterable[Mapping[str, Any]], server_id: str) -> list[Metric]:
    """Families of streams (API JSON with `stats`) and their pushes."""
    items = list(streams)
    found = list(
        families(
            (*STREAM_METRICS, *DVR_METRICS, *TRANSCODER_METRICS),
            ((item, {"name": str(item["name"]), "server_id": server_id}) for item in items),
        )
    )
    pushes = [
        (push, {"name": str(item["name"]), "server_id": server_id, "id": _push_id(push, index)})
        for item in items
        for index, push in enumerate(item.get("pushes") or ())
    ]
    return found + list(families(PUSH_METRICS, pushes))


def _push_id(push: Mapping[str, Any], index: int) -> str:
    identity = value_at(push, ("stats", "id"))
    return str(index) if identity is MISSING else str(identity)


def server_families(stats: Mapping[str, Any], server_id: str) -> list[Metric]:
    """Families of a server's statistics, its partitions and its GPUs."""
    base = {"server_id": server_id}
    identity = {
        key: str(stats[source])
        for key, source in (("version", "server_version"), ("build", "build"))
        if stats.get(source) is not None
    }
    partitions = [
        (item, {**base, "path": str(item.get("path", ""))})
        for item in stats.get("partitions") or ()
    ]
    devices = [
        (item, {**base, "name": str(item.get("name", "")), "id": str(item.get("id", index))})
        for index, item in enumerate(stats.get("transcoder_devices") or ())
    ]
    return [
        *families(SERVER_METRICS, [(stats, {**base, **identity})]),
        *families(PARTITION_METRICS, partitions),
        *families(GPU_METRICS, devices),
    ]


def cluster_families(
    stats: Mapping[str, Any],
    server_id: str,
    streamers: Iterable[Labelled] = (),
) -> list[Metric]:
    """Families of Central's `/cluster/stats`; `streamers`: figures of each, and its labels."""
    base = {"server_id": server_id}
    rows = [(item, {**base, **labels}) for item, labels in streamers]
    return [*families(CLUSTER_METRICS, [(stats, base)]), *families(STREAMER_METRICS, rows)]


class _Fixed(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def render(metrics: Iterable[Metric], form: MetricsFormat) -> bytes:
    """Text of the families; send it with `CONTENT_TYPES[form]`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(metrics))
    if form == "openmetrics":
        # prometheus_client leaves this one function without types.
        text: bytes = openmetrics_exposition.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text
    return exposition.generate_latest(registry)


def _accepted(accept: str) -> dict[str, float]:
    """Media type -> quality of an Accept header (RFC 9110 section 12.5.1)."""
    qualities: dict[str, float] = {}
    for item in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        qualities[media_type] = max(quality, qualities.get(media_type, 0.0))
    return qualities


def wanted_metrics(accept: str | None, query_format: str | None) -> MetricsFormat | None:
    """Which text a request wants, None for JSON.

    `?format=openmetrics` wants metrics, as plain text if Accept names text/plain and not
    openmetrics-text. Without it only a client that prefers openmetrics-text to JSON, as Prometheus
    does, gets metrics: `*/*` and JSON clients get JSON.
    """
    qualities = _accepted(accept or "")
    openmetrics = qualities.get(OPENMETRICS_TYPE, 0.0)
    if query_format == "openmetrics":
        plain = qualities.get("text/plain", 0.0) > 0 and openmetrics == 0
        return "text" if plain else "openmetrics"
    return "openmetrics" if openmetrics > qualities.get("application/json", 0.0) else None
