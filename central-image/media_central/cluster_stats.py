"""The health of the cluster in numbers: `/cluster/stats`. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from media_api.base import JsonObject

from media_central.capacity import capacity_kbit

_GRAVITY = ("disabled", "operational", "degradated", "partial_outage", "outage")
STATES = ("operational", "degradated", "partial_outage", "outage", "disabled")
"""The spelling is that of the API."""
POOL_LABEL = "app.kubernetes.io/instance"
"""Of a pod: the Streamer resource that it belongs to."""
BUSY_PERCENT = 90
"""Above it a CPU, a memory or a disk is called degradated."""


def stream_state(stream: Mapping[str, Any]) -> str:
    """operational: it plays or waits as it should; outage: it should play and does not."""
    stats = stream.get("stats") or {}
    if stream.get("disabled"):
        return "disabled"
    if stats.get("status") == "running":
        return "operational" if stats.get("alive", True) else "degradated"
    waits = stats.get("status") == "waiting" and stats.get("running_on")
    return "operational" if waits or not stream.get("static", True) else "outage"


def streamer_state(streamer: Mapping[str, Any]) -> str:
    """outage: no statistics; partial_outage: a check failed; degradated: short of a resource."""
    stats = streamer.get("stats")
    if not stats:
        return "outage"
    health = streamer.get("healthcheck_status") or {}
    if health.get("status") == "error":
        return "partial_outage"
    busy = any((stats.get(key) or 0) > BUSY_PERCENT for key in ("cpu_usage", "memory_usage"))
    return "degradated" if busy else "operational"


def totals(states: Iterable[str]) -> JsonObject:
    """Count by state, and of all."""
    counts = Counter(states)
    return {**{state: counts[state] for state in STATES}, "total": counts.total()}


def _level(percent: Any) -> str:
    return (
        "degradated"
        if isinstance(percent, int | float) and percent > BUSY_PERCENT
        else ("operational")
    )


def _whole(value: Any) -> int:
    """What a streamer says, as the integer that clients decode."""
    return round(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def _output(streamer: Mapping[str, Any], stats: Mapping[str, Any]) -> JsonObject:
    usage, capacity = _whole(stats.get("output_kbit")), capacity_kbit(streamer, stats)
    return {"status": _level(100 * usage / capacity if capacity else 0), "usage": usage}


def _with_worst(states: list[str]) -> JsonObject:
    worst = max(states, key=_GRAVITY.index, default="operational")
    return {**totals(states), "status": worst}


def fleet_totals(answers: Iterable[Mapping[str, Any]]) -> JsonObject:
    """Sums over what the streamers that answer say of themselves."""
    stats = list(answers)
    names = ("online_streams", "total_clients", "input_kbit", "output_kbit")
    sums = {name: sum(_whole(item.get(name)) for item in stats) for name in names}
    return {**sums, "online_streamers": len(stats)}


def _streamer_metrics(streamer: Mapping[str, Any], streams: Mapping[str, list[str]]) -> JsonObject:
    stats = streamer.get("stats") or {}
    disk = max((item.get("usage") or 0 for item in stats.get("partitions") or ()), default=0)
    checks = (streamer.get("healthcheck_status") or {}).get("checks") or {}
    config_ok = checks.get("config_ok", False) and checks.get("config_external_ok", False)
    return {
        "hostname": streamer["hostname"],
        "status": streamer_state(streamer),
        "uptime": _whole(stats.get("uptime")),
        "cpu": {"status": _level(stats.get("cpu_usage")), "usage": _whole(stats.get("cpu_usage"))},
        "memory": {
            "status": _level(stats.get("memory_usage")),
            "usage": _whole(stats.get("memory_usage")),
        },
        "storage": {"status": _level(disk), "usage": disk},
        "network": {
            "in_kbit": {"status": "operational", "usage": _whole(stats.get("input_kbit"))},
            "out_kbit": _output(streamer, stats),
        },
        "stream_metrics": _with_worst(streams.get(streamer["hostname"], [])),
        "agent_metrics": _with_worst([]),
        "config": {"status": "operational" if config_ok else "outage"},
    }


def by_pool(
    metrics: Iterable[Mapping[str, Any]], streamers: Iterable[Mapping[str, Any]]
) -> list[tuple[JsonObject, dict[str, str]]]:
    """Figures of each streamer that answers, with what autoscalers sum them by.

    `pool` is the Streamer resource of a pod; empty outside Kubernetes.
    """
    known = {item["hostname"]: item for item in streamers if item.get("stats")}
    rows = []
    for figures in metrics:
        streamer = known.get(figures["hostname"])
        if streamer is None:
            continue
        loads = [
            device["gpu_enc"]
            for device in streamer["stats"].get("transcoder_devices") or ()
            if isinstance(device.get("gpu_enc"), int | float)
        ]
        pool = (streamer.get("labels") or {}).get(POOL_LABEL, "")
        gpu = {"gpu": max(loads)} if loads else {}
        rows.append(({**figures, **gpu}, {"hostname": str(figures["hostname"]), "pool": pool}))
    return rows


def cluster_stats(
    streams: Iterable[Mapping[str, Any]], streamers: Iterable[Mapping[str, Any]], now_ms: int
) -> JsonObject:
    """The answer of `/cluster/stats` from the API's own streams and streamers."""
    by_host: dict[str, list[str]] = {}
    states: list[str] = []
    for stream in streams:
        state = stream_state(stream)
        states.append(state)
        host = (stream.get("layout") or {}).get("ingest")
        if host:
            by_host.setdefault(host, []).append(state)
    hosts = list(streamers)
    metrics = [_streamer_metrics(item, by_host) for item in hosts]
    return {
        "collected_at": now_ms,
        "stream_metrics_total": totals(states),
        "streamer_metrics_total": totals(map(streamer_state, hosts)),
        "agent_metrics_total": totals(()),
        "streamer_bitrate_metrics_total": {
            "input_kbit": sum(item["network"]["in_kbit"]["usage"] for item in metrics),
            "output_kbit": sum(item["network"]["out_kbit"]["usage"] for item in metrics),
        },
        "streamer_metrics": metrics,
    }
