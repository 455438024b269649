"""Who owns what of a spec, and what Central applies."""

from typing import Any

import pytest
from media_central.store.kubernetes.ownership import (
    foreign_owners,
    owned_part,
    spec_fields,
    spec_to_apply,
)
from media_central.store.port import OwnerConflictError


def managed(spec: dict[str, Any], **managers: dict[str, Any]) -> dict[str, Any]:
    entries = [
        {"manager": name, "operation": "Apply", "fieldsV1": {"f:spec": fields}}
        for name, fields in managers.items()
    ]
    return {"metadata": {"name": "s", "managedFields": entries}, "spec": spec}


def test_central_sends_what_it_owns_and_what_changes_and_nothing_else() -> None:
    live = managed(
        {"title": "t", "meta": {"a": "1", "b": "2"}, "static": True},
        central={"f:title": {}, "f:meta": {"f:a": {}}},
        argocd={"f:static": {}, "f:meta": {"f:b": {}}},
    )
    after = {"title": "new", "meta": {"a": "1", "b": "2", "c": "3"}, "static": True}
    assert spec_to_apply(live, after) == {"title": "new", "meta": {"a": "1", "c": "3"}}


@pytest.mark.parametrize(
    ("after", "field"),
    [
        ({"title": "mine", "meta": {"b": "2"}, "inputs": [{"url": "x"}]}, "title"),
        ({"meta": {"b": "2"}, "inputs": [{"url": "x"}]}, "title"),
        ({"title": "t", "meta": {}, "inputs": [{"url": "x"}]}, "meta.b"),
        ({"title": "t", "meta": {"b": "2"}, "inputs": [{"url": "y"}]}, "inputs"),
        ({"title": "t", "meta": {"b": "2"}}, "inputs"),
    ],
)
def test_a_change_of_what_is_foreign_is_refused(after: dict[str, Any], field: str) -> None:
    live = managed(
        {"title": "t", "meta": {"b": "2"}, "inputs": [{"url": "x"}]},
        central={},
        argocd={"f:title": {}, "f:meta": {"f:b": {}}, "f:inputs": {'k:{"url":"x"}': {}}},
    )
    with pytest.raises(OwnerConflictError) as caught:
        spec_to_apply(live, after)
    assert (caught.value.field, caught.value.owner) == (field, "argocd")


def test_own_list_items_are_found_by_their_keys() -> None:
    value = [{"url": "a", "priority": 1}, {"url": "b", "priority": 2}]
    fields = {'k:{"url":"b"}': {".": {}, "f:url": {}, "f:priority": {}}}
    assert owned_part(value, fields) == [{"url": "b", "priority": 2}]
    assert owned_part(["x", "y"], {'v:"y"': {}}) == ["y"]
    assert owned_part(value, {}) == value
    assert owned_part({"a": 1}, {".": {}}) == {}


def test_what_one_wrote_in_two_ways_is_united() -> None:
    live = managed({}, argocd={"f:a": {}, "f:m": {"f:x": {}}})
    live["metadata"]["managedFields"].append(
        {"manager": "argocd", "operation": "Update", "fieldsV1": {"f:spec": {"f:m": {"f:y": {}}}}}
    )
    assert spec_fields(live)["argocd"] == {"f:a": {}, "f:m": {"f:x": {}, "f:y": {}}}


def test_status_writers_and_labellers_own_no_spec() -> None:
    live = managed({"title": "x"}, operator={"f:title": {}}, central={"f:title": {}})
    live["metadata"]["managedFields"][0]["subresource"] = "status"
    live["metadata"]["managedFields"].append(
        {"manager": "kubectl-label", "fieldsV1": {"f:metadata": {"f:labels": {}}}}
    )
    assert foreign_owners(live) == set()
    assert foreign_owners(managed({"title": "x"}, argocd={"f:title": {}})) == {"argocd"}
