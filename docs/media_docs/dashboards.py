"""Grafana's dashboards, made of rows that can be read: what is shown, in what unit, by which query.

Grafana's own JSON says each of these lines in thirty; it is written to
`manifests/components/monitoring/dashboards` by `python -m media_docs`. A stream is told of by its
streamer and by each replica of Central, so queries on streams take the maximum by name.
"""

import json
from dataclasses import dataclass
from typing import Any

WIDTH = 24
HEIGHT = 7
CHOSEN = '{name=~"$stream"}'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """A graph over time. `queries`: PromQL and the name of its lines."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    width: int = 8


@dataclass(frozen=True)
class Dashboard:
    """`filters`: labels to choose by, each with the query of its values."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    filters: tuple[tuple[str, str], ...] = ()


def _states(kind: str, names: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((f"max({kind}_{state}_count)", word) for state, word in names)


def _of_streams(metric: str, function: str = "{}") -> str:
    return f"max by (name) ({function.format(metric + CHOSEN)})"


def _rate(metric: str) -> str:
    return _of_streams(metric, "rate({}[$__rate_interval])")


def _increase(metric: str) -> str:
    return _of_streams(metric, "increase({}[$__rate_interval])")


def _of_servers(metric: str) -> str:
    return f'{metric}{{instance=~"$server"}}'


STREAM = ("stream", "label_values(stream_alive, name)")
SERVER = ("server", "label_values(server_cpu_usage, instance)")

CLUSTER = Dashboard(
    "media-cluster",
    "Media: cluster",
    (
        Panel(
            "Streams",
            "short",
            _states(
                "stream",
                (
                    ("operational", "running"),
                    ("degradated", "degraded"),
                    ("outage", "down"),
                    ("disabled", "disabled"),
                ),
            ),
        ),
        Panel(
            "Streamers",
            "short",
            _states(
                "streamer",
                (("operational", "healthy"), ("degradated", "busy"), ("outage", "down")),
            ),
        ),
        Panel("Viewers", "short", (("sum(max by (name) (stream_client_count))", "open sessions"),)),
        Panel(
            "Traffic",
            "bps",
            (
                ("1000 * max(streamer_inbound_kbit_total)", "in"),
                ("1000 * max(streamer_outbound_kbit_total)", "out"),
            ),
            12,
        ),
        Panel(
            "Programs that Prometheus reads",
            "short",
            (('up{job=~"media-.*"}', "{{job}} {{instance}}"),),
            12,
        ),
        Panel(
            "History that waits and that is lost",
            "short",
            (
                ("max(central_history_queued_rows)", "rows waiting"),
                ("sum(increase(central_history_dropped_rows_total[5m]))", "rows lost"),
            ),
        ),
        Panel(
            "Wrong passwords",
            "short",
            (
                ("sum(increase(central_wrong_passwords_total[5m]))", "Central"),
                ("sum(increase(server_failed_logins[5m]))", "streamers"),
            ),
        ),
        Panel(
            "Caches: hits",
            "percentunit",
            (
                (
                    "sum(rate(media_cache_hits_total[5m])) / "
                    "sum(rate(media_cache_requests_total[5m]))",
                    "share",
                ),
            ),
        ),
        Panel(
            "Time of a plan of the operator, p99",
            "s",
            (
                (
                    "histogram_quantile(0.99, "
                    "sum by (le) (rate(media_operator_plan_seconds_bucket[5m])))",
                    "plan",
                ),
            ),
            12,
        ),
        Panel(
            "Writes of the operator",
            "reqps",
            (("sum by (kind) (rate(media_operator_writes_total[5m]))", "{{kind}}"),),
            12,
        ),
    ),
)

STREAMS = Dashboard(
    "media-streams",
    "Media: streams",
    (
        Panel(
            "Viewers", "short", ((f"topk(20, {_of_streams('stream_client_count')})", "{{name}}"),)
        ),
        Panel(
            "Bit rate", "bps", ((f"topk(20, 1000 * {_of_streams('stream_bitrate')})", "{{name}}"),)
        ),
        Panel(
            "Sent to viewers",
            "bps",
            ((f"topk(20, 1000 * {_of_streams('stream_out_bandwidth')})", "{{name}}"),),
        ),
        Panel("Without frames", "short", ((f"{_of_streams('stream_alive')} == 0", "{{name}}"),)),
        Panel(
            "Sources that reconnect",
            "short",
            ((f"topk(20, {_increase('stream_retry_count')} > 0)", "{{name}}"),),
        ),
        Panel(
            "Errors of the input",
            "short",
            ((f"topk(20, {_increase('stream_errors')} > 0)", "{{name}}"),),
        ),
        Panel(
            "Packets lost on the way in",
            "short",
            ((f"topk(20, {_increase('stream_lost_packets')} > 0)", "{{name}}"),),
        ),
        Panel(
            "Frames skipped for slow viewers",
            "short",
            ((f"topk(20, {_increase('stream_dropped_frames')} > 0)", "{{name}}"),),
        ),
        Panel(
            "Received",
            "Bps",
            ((f"topk(20, {_rate('stream_bytes_in')})", "{{name}}"),),
        ),
        Panel(
            "Pushes",
            "Bps",
            (
                (
                    'max by (name, id) (rate(pusher_bytes{name=~"$stream"}[$__rate_interval]))',
                    "{{name}} {{id}}",
                ),
            ),
            12,
        ),
        Panel(
            "Attempts of pushes",
            "short",
            (
                (
                    'max by (name, id) (increase(pusher_retries{name=~"$stream"}'
                    "[$__rate_interval]))",
                    "{{name}} {{id}}",
                ),
            ),
            12,
        ),
    ),
    (STREAM,),
)

STREAMERS = Dashboard(
    "media-streamers",
    "Media: streamers",
    (
        Panel("CPU", "percent", ((_of_servers("server_cpu_usage"), "{{instance}}"),)),
        Panel("Memory", "percent", ((_of_servers("server_memory_usage"), "{{instance}}"),)),
        Panel(
            "Load of the event loops",
            "percent",
            ((_of_servers("server_scheduler_load"), "{{instance}}"),),
        ),
        Panel(
            "Traffic in",
            "bps",
            ((f"1000 * {_of_servers('server_input_bitrate')}", "{{instance}}"),),
        ),
        Panel(
            "Traffic out",
            "bps",
            ((f"1000 * {_of_servers('server_output_bitrate')}", "{{instance}}"),),
        ),
        Panel("Viewers", "short", ((_of_servers("server_total_clients"), "{{instance}}"),)),
        Panel("Streams", "short", ((_of_servers("server_online_streams"), "{{instance}}"),)),
        Panel(
            "Files that are played",
            "short",
            ((_of_servers("server_opened_files"), "{{instance}}"),),
        ),
        Panel(
            "Since the start",
            "s",
            ((f"time() - {_of_servers('server_started_at')}", "{{instance}}"),),
        ),
        Panel(
            "Disks",
            "percent",
            ((_of_servers("partition_usage"), "{{instance}} {{path}}"),),
            24,
        ),
        Panel(
            "GPU: encoder",
            "percent",
            ((_of_servers("gpu_encoder_load"), "{{instance}} {{id}} {{name}}"),),
        ),
        Panel(
            "GPU: decoder",
            "percent",
            ((_of_servers("gpu_decoder_load"), "{{instance}} {{id}} {{name}}"),),
        ),
        Panel(
            "GPU: temperature",
            "celsius",
            ((_of_servers("gpu_temperature"), "{{instance}} {{id}} {{name}}"),),
        ),
    ),
    (SERVER,),
)

RECORDING = Dashboard(
    "media-recording",
    "Media: archive and transcoder",
    (
        Panel("Written", "Bps", ((f"topk(20, {_rate('dvr_written_bytes')})", "{{name}}"),)),
        Panel("Recorded", "s", ((f"topk(20, {_of_streams('dvr_duration')})", "{{name}}"),)),
        Panel("On disk", "bytes", ((f"topk(20, {_of_streams('dvr_disk_size')})", "{{name}}"),)),
        Panel(
            "Gaps: what the archive lacks of its depth",
            "s",
            (
                (
                    f"{_of_streams('dvr_depth')} - {_of_streams('dvr_duration')} > 10",
                    "{{name}}",
                ),
            ),
        ),
        Panel(
            "Writes that failed",
            "short",
            ((f"{_increase('dvr_write_errors')} > 0", "{{name}}"),),
        ),
        Panel(
            "Segments that are not recorded",
            "short",
            ((f"{_increase('dvr_dropped_segments')} > 0", "{{name}}"),),
        ),
        Panel(
            "Transcoder: frames decoded a second",
            "short",
            ((_rate("transcoder_frames_decoded"), "{{name}}"),),
        ),
        Panel(
            "Transcoder: frames encoded a second",
            "short",
            ((_rate("transcoder_frames_encoded"), "{{name}}"),),
        ),
        Panel(
            "Transcoder: frames dropped, restarts",
            "short",
            (
                (_increase("transcoder_dropped_frames"), "{{name}} dropped"),
                (_increase("transcoder_restarts"), "{{name}} restarts"),
            ),
        ),
    ),
    (STREAM,),
)

DASHBOARDS = {
    "cluster": CLUSTER,
    "streams": STREAMS,
    "streamers": STREAMERS,
    "recording": RECORDING,
}


def as_json(board: Dashboard) -> str:
    """The dashboard as Grafana takes it, from a file or by its API."""
    body = {
        "title": board.title,
        "uid": board.uid,
        "tags": ["media"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_data_source(), *(_filter(*one) for one in board.filters)]},
        "panels": _placed(board.panels),
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def _data_source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "type": "datasource",
        "query": "prometheus",
        "label": "Data source",
    }


def _filter(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "filter"},
        "definition": query,
        "label": name.capitalize(),
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """From left to right; a panel that has no room begins the next row."""
    x = y = 0
    placed = []
    for number, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y = 0, y + HEIGHT
        place = {"x": x, "y": y, "w": panel.width, "h": HEIGHT}
        placed.append(_panel(number, panel, place))
        x += panel.width
    return placed


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "type": "timeseries",
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": text, "legendFormat": legend}
            for index, (text, legend) in enumerate(panel.queries)
        ],
    }
