"""Alarms and the dashboard: PromQL that is right, over figures that our programs really tell."""

import json
import re
from collections.abc import Iterator
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

MONITORING = Path(__file__).parents[2] / "manifests" / "components" / "monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"][0]["rules"]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
MONITORS = list(yaml.safe_load_all((MONITORING / "monitors.yaml").read_text()))
VARIABLES = {"$__rate_interval": "5m"}


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for panel in DASHBOARD["panels"]:
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
        *openmetrics.SERVER_METRICS,
        *openmetrics.CLUSTER_METRICS,
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


def test_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
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
