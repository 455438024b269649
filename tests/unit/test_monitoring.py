"""Alarms and dashboards: PromQL that is right, over figures that our programs really tell."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from media_central.rest import service
from media_operator import metrics as operator_metrics
from media_rest import openmetrics
from media_streamer.cache.metrics import Metrics
from prometheus_client import REGISTRY

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "components" / "monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"][0]["rules"]
DASHBOARDS = [json.loads(path.read_text()) for path in sorted(MONITORING.glob("dashboards/*.json"))]
MONITORS = list(yaml.safe_load_all((MONITORING / "monitors.yaml").read_text()))
VARIABLES = {"$__rate_interval": "5m", "$stream": ".*", "$server": ".*"}
MINUTES = 12
"""How long the series of a test of an alarm last; each `for` is shorter."""
AFTER = 30
"""Minutes after that for which all is well again; no expression looks back that far."""


@dataclass(frozen=True)
class Case:
    """What makes an alarm ring, and what looks alike and does not: series and their values."""

    loud: dict[str, str]
    quiet: dict[str, str]
    well: dict[str, str] = field(default_factory=dict)
    """How the loud series go on once the fault is mended; a counter stays where it is."""

    def mended(self) -> dict[str, str]:
        """The loud ones until nothing is wrong any more."""
        series = {}
        for name in self.loud.keys() | self.well.keys():
            loud = self.loud.get(name, f"_x{MINUTES + 1}")
            first, step, count = re.findall(r"(\d+)?(?:\+(\d+))?x(\d+)", loud)[-1]
            last = int(first or 0) + int(step or 0) * int(count)
            series[name] = f"{loud} {self.well.get(name, f'{last}x{AFTER}')}"
        return series


CASES = {
    "MediaStreamsDown": Case(
        {"stream_outage_count": "2x12"},
        {"stream_outage_count": "0x12"},
        {"stream_outage_count": "0x30"},
    ),
    "MediaStreamersDown": Case(
        {"streamer_outage_count": "1x12"},
        {"streamer_outage_count": "0x12"},
        {"streamer_outage_count": "0x30"},
    ),
    "MediaStreamersBusy": Case(
        {"streamer_degradated_count": "1x12"},
        {"streamer_degradated_count": "1 0x11"},
        {"streamer_degradated_count": "0x30"},
    ),
    "MediaSourceReconnects": Case(
        {'stream_retry_count{name="a"}': "0+1x12"}, {'stream_retry_count{name="a"}': "500x12"}
    ),
    "MediaPushFails": Case(
        {'pusher_retries{name="a",id="1"}': "0+1x12"}, {'pusher_retries{name="a",id="1"}': "9x12"}
    ),
    "MediaDiskFillsUp": Case(
        {'partition_usage{server_id="s",path="/"}': "95x12"},
        {'partition_usage{server_id="s",path="/"}': "90x12"},
        {'partition_usage{server_id="s",path="/"}': "80x30"},
    ),
    "MediaServerBusy": Case(
        {'server_cpu_usage{server_id="s"}': "97x12"},
        {'server_cpu_usage{server_id="s"}': "97x6 40x6"},
        {'server_cpu_usage{server_id="s"}': "40x30"},
    ),
    "MediaArchiveHasGaps": Case(
        {'dvr_dropped_segments{name="a"}': "0x10 3x2"},
        {'dvr_dropped_segments{name="a"}': "3x12", 'dvr_write_errors{name="a"}': "1x12"},
    ),
    "MediaTranscoderOverloaded": Case(
        {'transcoder_dropped_frames{name="a"}': "0+300x12"},
        {'transcoder_dropped_frames{name="a"}': "0+12x12"},
    ),
    "MediaTranscoderRestarts": Case(
        {'transcoder_restarts{name="a"}': "0+1x12"}, {'transcoder_restarts{name="a"}': "0x6 1x6"}
    ),
    "MediaStreamerDown": Case(
        {'up{job="media-streamer",instance="s:8080"}': "0x12"},
        {'up{job="media-streamer",instance="s:8080"}': "1x11 0"},
        {'up{job="media-streamer",instance="s:8080"}': "1x30"},
    ),
    "MediaHistoryIsLost": Case(
        {"central_history_dropped_rows_total": "0x10 5x2"},
        {"central_history_dropped_rows_total": "5x12"},
    ),
    "MediaCentralDown": Case(
        {}, {'up{job="media-central"}': "1x12"}, {'up{job="media-central"}': "1x30"}
    ),
    "MediaPasswordsAreGuessed": Case(
        {"server_failed_logins": "0+20x12"}, {"server_failed_logins": "0+1x12"}
    ),
    "MediaOperatorStands": Case(
        {"media_operator_last_event_timestamp_seconds": "0x12"},
        {"media_operator_last_event_timestamp_seconds": "0+60x12"},
        {"media_operator_last_event_timestamp_seconds": "780+60x30"},
    ),
    "MediaOperatorCannotWrite": Case(
        {'media_operator_write_errors_total{kind="Pod",reason="Forbidden"}': "0+5x12"},
        {'media_operator_write_errors_total{kind="Pod",reason="Forbidden"}': "7x12"},
    ),
    "MediaCacheOriginFails": Case(
        {'media_cache_origin_errors_total{kind="timeout"}': "0+120x12"},
        {'media_cache_origin_errors_total{kind="timeout"}': "0+12x12"},
    ),
}


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for board in DASHBOARDS:
        for panel in board["panels"]:
            for target in panel["targets"]:
                text = target["expr"]
                for name, value in VARIABLES.items():
                    text = text.replace(name, value)
                yield text


def told() -> set[str]:
    """Names of all samples of Central, the operator and the caches."""
    specs = (
        *openmetrics.STREAM_METRICS,
        *openmetrics.PUSH_METRICS,
        *openmetrics.DVR_METRICS,
        *openmetrics.TRANSCODER_METRICS,
        *openmetrics.PARTITION_METRICS,
        *openmetrics.GPU_METRICS,
        *openmetrics.SERVER_METRICS,
        *openmetrics.CLUSTER_METRICS,
        *openmetrics.STREAMER_METRICS,
        *service.CENTRAL_METRICS,
    )
    names = {spec.name for spec in specs}
    for family in REGISTRY.collect():
        if family.name.startswith("media_operator"):
            kinds = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
            names |= {family.name + end for end in kinds.get(family.type, ("",))}
    names |= set(re.findall(r"^# TYPE (\w+)", Metrics().text().decode(), re.MULTILINE))
    return {"up", *names}


def selected(node: Any) -> Iterator[str]:
    """Names of the series that an expression reads."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name
    for part in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        child = getattr(node, part, None)
        if child is not None:
            yield from selected(child)
    for argument in getattr(node, "args", None) or ():
        yield from selected(argument)


@pytest.mark.parametrize("text", sorted(set(expressions())))
def test_an_expression_reads_figures_that_are_told(text: str) -> None:
    names = set(selected(promql_parser.parse(text)))
    assert names, "it reads nothing"
    assert names <= told()


def test_an_alarm_says_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert len(rule["annotations"]["description"]) > 20, rule["alert"]
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def rings(alarm: str, series: dict[str, str], counts: dict[int, int]) -> dict[str, Any]:
    """A test of promtool: how many alarms of that name ring after so many minutes."""
    name = f'ALERTS{{alertname="{alarm}",alertstate="firing"}}'
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"count({name}) or vector(0)",
                "eval_time": f"{minutes}m",
                "exp_samples": [{"labels": "{}", "value": count}],
            }
            for minutes, count in counts.items()
        ],
    }


def test_every_alarm_has_a_case() -> None:
    assert CASES.keys() == {rule["alert"] for rule in RULES}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's prometheus is not here")
def test_alarms_ring_when_they_should_and_end_with_the_fault(tmp_path: Path) -> None:
    tests = []
    for alarm, case in CASES.items():
        tests.append(rings(alarm, case.mended(), {MINUTES: 1, MINUTES + AFTER - 1: 0}))
        tests.append(rings(alarm, case.quiet, {MINUTES: 0}))
    rules = str(ROOT / "packaging" / "compose" / "alarms.yaml")
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [rules], "tests": tests}))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's prometheus is not here")
def test_the_files_lie_where_the_page_puts_them(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "monitoring.md").read_text()
    (block,) = [one for one in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "promtool" in one]
    done = subprocess.run(
        ["bash", "-euc", block.replace("/etc/prometheus/", f"{tmp_path}/")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    # The password is the reader's to write.
    assert "/run/secrets/view_password" in done.stdout + done.stderr or done.returncode == 0
    assert "SUCCESS: " in done.stdout + done.stderr


def test_compose_knows_the_jobs_that_alarms_name() -> None:
    compose = yaml.safe_load((ROOT / "packaging" / "compose" / "prometheus.yaml").read_text())
    jobs = {job["job_name"] for job in compose["scrape_configs"]}
    named = set(re.findall(r'job="([\w-]+)"', " ".join(rule["expr"] for rule in RULES)))
    assert named
    assert named <= jobs


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board["uid"])
def test_panels_have_places_of_their_own(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_monitors_find_what_the_base_has() -> None:
    assert operator_metrics.LEADER is not None  # its figures are registered by its import
    base = MONITORING.parents[1] / "base"
    bodies = [
        body
        for name in ("central.yaml", "operator.yaml")
        for body in yaml.safe_load_all((base / name).read_text())
    ]
    central = next(m for m in MONITORS if m["metadata"]["name"] == "media-central")
    wanted = central["spec"]["selector"]["matchLabels"].items()
    services = [b for b in bodies if b["kind"] == "Service"]
    (found,) = [s for s in services if wanted <= s["metadata"].get("labels", {}).items()]
    ports = {port["name"] for port in found["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in central["spec"]["endpoints"]} <= ports
