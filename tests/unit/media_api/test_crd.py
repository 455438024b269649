"""The CustomResourceDefinitions: in step with the models, and what Kubernetes demands of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from media_api import crd
from media_api.structural import INT_OR_STRING, PRESERVE

DEFINITIONS = crd.definitions()
FILES = sorted(DEFINITIONS)
MADE = crd.files()
"""Half a second of work each time."""


def version(name: str) -> dict[str, Any]:
    found: dict[str, Any] = DEFINITIONS[name]["spec"]["versions"][0]
    return found


def nodes(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, schema
    for key, value in schema.get("properties", {}).items():
        yield from nodes(value, f"{place}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{place}.{key}")


def all_nodes(name: str) -> list[tuple[str, dict[str, Any]]]:
    root = version(name)["schema"]["openAPIV3Schema"]["properties"]
    return [*nodes(root["spec"], "spec"), *nodes(root["status"], "status")]


@pytest.mark.parametrize("name", sorted(MADE))
def test_file_is_in_step(name: str) -> None:
    text = (crd.DIRECTORY / name).read_text(encoding="utf-8")
    assert text == MADE[name], "run make crds"


def test_a_file_out_of_step_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main([], tmp_path) == 0
    assert crd.main(["--check"], tmp_path) == 0
    (tmp_path / "streams.yaml").write_text("old")
    assert crd.main(["--check"], tmp_path) == 1
    assert "streams.yaml" in capsys.readouterr().err
    assert (tmp_path / "streams.yaml").read_text() == "old", "checked, not written"


@pytest.mark.parametrize("name", FILES)
def test_size_allows_client_side_apply(name: str) -> None:
    assert len(json.dumps(DEFINITIONS[name])) < crd.MAX_SIZE
    assert len((crd.DIRECTORY / name).read_bytes()) < crd.MAX_SIZE


@pytest.mark.parametrize("name", FILES)
def test_every_node_is_structural_and_bounded(name: str) -> None:
    for place, node in all_nodes(name):
        assert not node.keys() & {"$ref", "anyOf", "oneOf", "allOf", "const", "title"}, place
        kind = node.get("type")
        assert kind or node.get(PRESERVE) or node.get(INT_OR_STRING), place
        if kind == "string" and "enum" not in node:
            assert "maxLength" in node, place
        if kind == "array":
            assert "maxItems" in node, place
        if kind == "object" and "properties" not in node:
            assert "maxProperties" in node, place


@pytest.mark.parametrize("name", FILES)
def test_every_field_has_a_description(name: str) -> None:
    for place, node in all_nodes(name):
        for key, value in node.get("properties", {}).items():
            assert value.get("description"), f"{place}.{key}"


@pytest.mark.parametrize("name", FILES)
def test_every_rule_has_a_message(name: str) -> None:
    rules = [
        rule for _, node in all_nodes(name) for rule in node.get("x-kubernetes-validations", ())
    ]
    assert rules
    assert all(rule["message"] for rule in rules)


def test_nothing_a_template_can_give_is_defaulted_by_the_api_server() -> None:
    defaulted = {place for place, node in all_nodes("streams.yaml") if "default" in node}
    assert not {place for place in defaulted if place.startswith("spec")}


def test_lists_that_appliers_share_are_maps() -> None:
    spec = version("streams.yaml")["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for key in ("inputs", "pushes"):
        assert spec["properties"][key]["x-kubernetes-list-map-keys"] == ["url"]
    for name in FILES:
        status = version(name)["schema"]["openAPIV3Schema"]["properties"]["status"]
        conditions = status["properties"]["conditions"]
        assert conditions["x-kubernetes-list-type"] == "map"
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_names_and_subresources() -> None:
    names = {name: DEFINITIONS[name]["spec"]["names"] for name in FILES}
    assert {name: item["shortNames"] for name, item in names.items()} == {
        "caches.yaml": ["mcache"],
        "streamers.yaml": ["strmr"],
        "streams.yaml": ["strm"],
    }
    assert all(item["categories"] == ["all", "media"] for item in names.values())
    assert all("status" in version(name)["subresources"] for name in FILES)
    assert "scale" in version("streamers.yaml")["subresources"]
    assert "scale" in version("caches.yaml")["subresources"]
    assert [item["jsonPath"] for item in version("streams.yaml")["selectableFields"]] == [
        ".spec.streamer",
        ".status.streamer",
    ]


def test_command_writes_the_files(tmp_path: Path) -> None:
    assert crd.main([], tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == MADE.keys()
    for name in FILES:
        loaded = yaml.load((tmp_path / name).read_text(encoding="utf-8"), yaml.CSafeLoader)
        assert loaded == DEFINITIONS[name]
