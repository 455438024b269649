"""Error bodies: both shapes, pointers, and no secrets."""

import json
from typing import Any

import pytest
from media_api.stream import StreamConfig
from media_rest.errors import ApiError, error_body, json_pointer, not_found, validation_error
from pydantic import ValidationError


def test_body_has_both_shapes() -> None:
    assert not_found("stream", "a").body() == {
        "errors": [
            {"status": "404", "code": "stream_not_found", "title": "there is no stream 'a'"}
        ],
        "error": "stream_not_found",
    }


def test_unexpected_error_tells_nothing() -> None:
    body = error_body(RuntimeError("password is 1234"))
    assert body["error"] == "crashed"
    assert "1234" not in json.dumps(body)


def test_pointer() -> None:
    assert json_pointer(("a/b", 0, "c~d")) == "/a~1b/0/c~0d"


def test_validation_error_points_at_the_value_and_hides_it() -> None:
    body = {"name": "a", "source_timeout": "soon", "inputs": [{"url": "gopher://u:secret@h"}]}
    with pytest.raises(ValidationError) as caught:
        StreamConfig.parse(body)
    answer = validation_error(caught.value, body).body()
    pointers = {item["source"]["pointer"] for item in answer["errors"]}
    assert pointers == {"/source_timeout", "/inputs/0/url"}
    assert "secret" not in json.dumps(answer)
    assert answer["error"] == "validation_error"
    assert answer["path"] in (["source_timeout"], ["inputs", 0, "url"])


def test_other_value_error() -> None:
    error = validation_error(ValueError("nested deeper than 64 levels"))
    assert isinstance(error, ApiError)
    assert error.body()["errors"][0]["title"] == "nested deeper than 64 levels"


def test_missing_name() -> None:
    with pytest.raises(ValidationError) as caught:
        StreamConfig.parse({})
    answer = validation_error(caught.value, {}).body()
    assert answer["errors"][0]["source"]["pointer"] == "/name"


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ({"transcoder": {"audio": []}}, "must be an object"),
        (
            {"transcoder": {"video": [{"bitrate": -3}]}},
            "must be 'copy', or: must be greater than or equal to 0",
        ),
    ],
)
def test_words_are_those_of_json_and_all_choices_are_told(body: dict[str, Any], title: str) -> None:
    with pytest.raises(ValidationError) as caught:
        StreamConfig.parse({"name": "a", **body})
    assert validation_error(caught.value, body).title == title
