"""Metrics text, read back by the parser of the Prometheus client, and the choice of format."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from media_rest.openmetrics import (
    MetricsFormat,
    cluster_families,
    render,
    server_families,
    stream_families,
    wanted_metrics,
)
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text

# The client's parser has no types.
parse_openmetrics = cast(
    "Callable[[str], Iterable[Metric]]", openmetrics_parser.text_string_to_metric_families
)
STREAMS: list[dict[str, Any]] = [
    {
        "name": "a/b",
        "stats": {"bytes_in": 5, "bitrate": 2000, "alive": True, "status": "running"},
        "pushes": [{"url": "rtmp://h/a", "stats": {"id": "p1", "bytes": 7}}],
    },
    {"name": "c", "stats": {"bytes_in": 6}},
    {"name": "off"},
]
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.3,*/*;q=0.1"
)


@pytest.mark.parametrize("form", ["openmetrics", "text"])
def test_streams(form: MetricsFormat) -> None:
    text = render(stream_families(STREAMS, "srv"), form).decode()
    parse = parse_openmetrics if form == "openmetrics" else parse_text
    samples = {
        (sample.name, sample.labels["name"]): sample
        for family in parse(text)
        for sample in family.samples
    }
    assert samples["stream_bytes_in", "a/b"].value == 5
    assert samples["stream_bytes_in", "a/b"].labels == {"name": "a/b", "server_id": "srv"}
    assert samples["stream_bytes_in", "c"].value == 6
    assert samples["stream_bitrate", "a/b"].value == 2000
    assert samples["pusher_bytes", "a/b"].labels["id"] == "p1"
    assert not any(name == "off" for _, name in samples)


def test_server_and_cluster() -> None:
    stats = {
        "total_clients": 3, "input_kbit": 10, "build": 1, "server_version": "1",
        "partitions": [{"path": "/", "usage": 40, "total_mb": 100}],
        "transcoder_devices": [{"name": "T4", "id": "0", "gpu_temp": 60}],
    }  # fmt: skip
    text = render(server_families(stats, "srv"), "openmetrics").decode()
    names = {sample.name for family in parse_openmetrics(text) for sample in family.samples}
    assert names == {
        "server_total_clients", "server_input_bitrate", "partition_usage", "partition_total_mb",
        "gpu_temperature",
    }  # fmt: skip
    cluster = {"stream_metrics_total": {"operational": 2, "total": 3}}
    text = render(cluster_families(cluster, "srv"), "openmetrics").decode()
    values = {s.name: s.value for family in parse_openmetrics(text) for s in family.samples}
    assert values == {"stream_operational_count": 2, "stream_total_count": 3}


def test_each_streamer_of_a_cluster_by_its_labels() -> None:
    figures = {"cpu": {"usage": 40}, "network": {"out_kbit": {"usage": 9}}, "gpu": 70}
    rows = [(figures, {"hostname": "a-0", "pool": "a"})]
    text = render(cluster_families({}, "srv", rows), "openmetrics").decode()
    samples = [sample for family in parse_openmetrics(text) for sample in family.samples]
    assert {sample.name: sample.value for sample in samples} == {
        "streamer_cpu_usage": 40, "streamer_output_kbit": 9, "streamer_gpu_usage": 70,
    }  # fmt: skip
    labels = {"server_id": "srv", "hostname": "a-0", "pool": "a"}
    assert all(sample.labels == labels for sample in samples)


@pytest.mark.parametrize(
    ("accept", "query_format", "wanted"),
    [
        (None, None, None),
        ("*/*", None, None),
        ("application/json", None, None),
        ("text/plain", None, None),
        ("text/html,*/*;q=0.8", None, None),
        (PROMETHEUS, None, "openmetrics"),
        ("application/json, application/openmetrics-text;q=0.5", None, None),
        ("application/openmetrics-text;q=broken", None, None),
        (None, "openmetrics", "openmetrics"),
        ("*/*", "openmetrics", "openmetrics"),
        ("text/plain", "openmetrics", "text"),
        (PROMETHEUS, "openmetrics", "openmetrics"),
        (None, "json", None),
    ],
)
def test_negotiation(accept: str | None, query_format: str | None, wanted: str | None) -> None:
    assert wanted_metrics(accept, query_format) == wanted
