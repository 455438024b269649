"""Tables of `docs/reference/metrics.md`: the names that Prometheus reads from each program."""

from collections.abc import Iterable

from media_central.rest.service import CENTRAL_METRICS
from media_operator import metrics as operator_metrics
from media_rest import openmetrics
from media_rest.openmetrics import MetricSpec
from media_streamer.cache.metrics import Metrics
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

from media_docs.tables import code, table

_HEADS = ("metric", "kind", "what")


def _of(specs: Iterable[MetricSpec]) -> list[tuple[str, ...]]:
    return [
        (code(one.name), "counter" if one.counter else "gauge", f"{one.help}.") for one in specs
    ]


def streamer() -> str:
    return table(
        _HEADS,
        [
            *_of(openmetrics.SERVER_METRICS),
            *_of(openmetrics.STREAM_METRICS),
            *_of(openmetrics.PUSH_METRICS),
            *_of(openmetrics.DVR_METRICS),
            *_of(openmetrics.TRANSCODER_METRICS),
            *_of(openmetrics.PARTITION_METRICS),
            *_of(openmetrics.GPU_METRICS),
        ],
    )


def central() -> str:
    specs = (*CENTRAL_METRICS, *openmetrics.CLUSTER_METRICS, *openmetrics.STREAMER_METRICS)
    return table(_HEADS, _of(specs))


def _collected(families: Iterable[Metric]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for family in families:
        ending = "_total" if family.type == "counter" else ""
        rows.append((code(f"{family.name}{ending}"), family.type, f"{family.documentation}."))
    return rows


def cache() -> str:
    collected = [
        family
        for one in vars(Metrics()).values()
        if isinstance(one, Counter | Gauge)
        for family in one.collect()
    ]
    return table(_HEADS, _collected(collected))


def operator() -> str:
    collected = [
        family
        for one in vars(operator_metrics).values()
        if isinstance(one, Counter | Gauge | Histogram)
        for family in one.collect()
    ]
    return table(_HEADS, _collected(collected))
