"""What a form is told by the schemas is what `--check` and the alerts say."""

from typing import Any

import pytest
from media_api import protocols
from media_api.marks import mark
from media_api.stream import StreamConfig
from media_api.unsupported import DVR_OPTIONS, INPUT_OPTIONS, STREAM_CHECKS, asked_in_vain


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    whole = StreamConfig.model_json_schema()
    found = {**whole["$defs"], "StreamConfig": whole}
    mark(found)
    return found


def _marked(schemas: dict[str, Any], model: str) -> set[str]:
    return {k for k, v in schemas[model]["properties"].items() if "x-no-effect" in v}


def test_options_without_effect_are_marked_and_no_others(schemas: dict[str, Any]) -> None:
    assert _marked(schemas, "StreamConfig") == STREAM_CHECKS & set(StreamConfig.model_fields)
    unread = set(protocols.unserved_input_options())
    assert _marked(schemas, "InputConfig") == unread | set(INPUT_OPTIONS)
    assert _marked(schemas, "StreamDvrSpec") == set(DVR_OPTIONS)
    assert _marked(schemas, "ProtocolsSpec") == set(protocols.missing_switches())


def test_marked_words_are_those_of_the_warnings(schemas: dict[str, Any]) -> None:
    for name in sorted(_marked(schemas, "StreamConfig")):
        words = schemas["StreamConfig"]["properties"][name]["x-no-effect"]
        said = [one.text for one in asked_in_vain({name: {"x": 1}})]
        assert f"{name} {words}" in said


def test_schemes_of_addresses_are_those_of_the_table(schemas: dict[str, Any]) -> None:
    for model, role in (("InputConfig", "pull"), ("PushConfig", "push")):
        said = schemas[model]["properties"]["url"]
        for scheme in said["x-schemes"]:
            key = "inputs" if role == "pull" else "pushes"
            url = "timeshift://a/1" if scheme == "timeshift" else f"{scheme}://x:1/a/b"
            assert asked_in_vain({key: [{"url": url}]}) == []
        assert not set(said["x-schemes"]) & set(said["x-unserved-schemes"])
        assert all(said["x-unserved-schemes"].values())


def test_options_of_one_protocol_name_its_schemes(schemas: dict[str, Any]) -> None:
    pushes = schemas["PushConfig"]["properties"]
    assert "udp" in pushes["multicast_loop"]["x-schemes"]
    assert "x-schemes" not in pushes["retry_timeout"]
    assert "x-no-effect" in pushes["video_format"]


def test_schemas_of_other_models_stay_as_they_are() -> None:
    others: dict[str, Any] = {"Thing": {"properties": {"url": {"type": "string"}}}}
    mark(others)
    assert others == {"Thing": {"properties": {"url": {"type": "string"}}}}
