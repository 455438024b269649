"""PUT semantics: only what was passed changes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.stream import StreamConfig
from media_rest.merge import MAX_DEPTH, canonical, merge, merge_put
from pydantic import ValidationError

keys = st.sampled_from(["a", "b", "c"])
scalars = st.one_of(st.booleans(), st.integers(-2, 2), st.sampled_from(["x", ""]))
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(keys, json_values, max_size=3)
patches = st.dictionaries(keys, st.one_of(st.none(), json_values), max_size=3)


def test_documented_rules() -> None:
    saved = {"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": 1, "same": 1}
    patch = {"a": {"y": None, "z": 3}, "list": [3], "gone": None}
    assert merge(saved, patch) == {"a": {"x": 1, "z": 3}, "list": [3], "same": 1}
    assert merge(saved, {"$reset": True, "new": 1}) == {"new": 1}
    assert merge(saved, {"a": {"$reset": True, "n": 1}})["a"] == {"n": 1}
    assert merge(saved, {"$index": 1, "$reset": False}) == saved


@given(objects, patches)
def test_merge_is_idempotent_and_changes_only_passed_keys(
    saved: dict[str, Any], patch: dict[str, Any]
) -> None:
    before = json.dumps(saved, sort_keys=True)
    once = merge(saved, patch)
    assert merge(once, patch) == once
    assert json.dumps(saved, sort_keys=True) == before
    assert all(once[key] == saved[key] for key in saved.keys() - patch.keys())
    assert all(key not in once for key, value in patch.items() if value is None)


@given(objects)
def test_empty_patch_changes_nothing(saved: dict[str, Any]) -> None:
    assert merge(saved, {}) == saved


def test_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 2):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="deeper"):
        merge({}, deep)


def test_put_creates_and_changes() -> None:
    created = merge_put(StreamConfig, None, {"inputs": [{"url": "fake://fake"}]}, "a")
    assert created.explicit() == {"name": "a", "inputs": [{"url": "fake://fake"}]}
    changed = merge_put(
        StreamConfig, created.explicit(), {"title": "T", "stats": {"alive": True}}, "a"
    )
    assert changed.explicit() == {
        "name": "a", "title": "T", "inputs": [{"url": "fake://fake"}],
    }  # fmt: skip


def test_body_name_wins() -> None:
    assert merge_put(StreamConfig, {"name": "a"}, {"name": "b"}, "a").name == "b"
    assert merge_put(StreamConfig, {"name": "a"}, {"name": None}, "a").name == "a"


def test_old_name_changes_the_saved_value() -> None:
    saved = {"name": "a", "dvr": {"root": "/d", "expiration": 60}, "on_play": {"url": "http://a"}}
    changed = merge_put(StreamConfig, saved, {"dvr": {"dvr_limit": "2d"}, "auth": None}, "a")
    assert changed.explicit() == {"name": "a", "dvr": {"root": "/d", "expiration": 172_800}}


def test_canonical_goes_into_lists() -> None:
    data = {"name": "a", "inputs": [{"url": "fake://fake"}], "dvr": {"disk_space": 1}}
    assert canonical(StreamConfig, data)["dvr"] == {"storage_limit": 1}


@pytest.mark.parametrize("body", [{"name": "../x"}, {"inputs": "x"}, {"segment_count": "few"}])
def test_bad_body_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        merge_put(StreamConfig, {"name": "a"}, body, "a")
