"""Whether an object of the cluster is as it is wanted."""

from typing import Any

import pytest
from media_operator.planner.tiers import covers


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([{"a": 1, "x": 0}], [{"a": 1}], True),
        ([1, 2], [1], False),
        ([{"name": "a"}], [{"name": "a", "value": ""}], True),
        ([{"name": "a", "value": "b"}], [{"name": "a", "value": ""}], False),
        ({}, {"replicas": 0}, False),
        ({"requests": {"cpu": "500m"}}, {"requests": {"cpu": "0.5"}}, True),
        ({"limits": {"nvidia.com/gpu": "1"}}, {"limits": {"nvidia.com/gpu": 1}}, True),
        ({"sizeLimit": "1Gi"}, {"sizeLimit": "1024Mi"}, True),
        ({"limits": {"memory": "1G"}}, {"limits": {"memory": "1Gi"}}, False),
        ({"limits": {}}, {"limits": {"memory": "1Gi"}}, False),
        ({"value": "1"}, {"value": "1.0"}, False),
        (None, {}, True),
        (None, [], True),
        (None, {"a": 1}, False),
    ],
)
def test_covers(live: Any, wanted: Any, expected: bool) -> None:
    assert covers(live, wanted) is expected
