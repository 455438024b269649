"""Whose word on the capacity of a streamer holds."""

from typing import Any

import pytest
from media_central.capacity import capacity_kbit


@pytest.mark.parametrize(
    ("config", "stats", "kbit"),
    [
        ({}, {}, 0),
        ({"total_bandwidth": 5}, {"total_bandwidth": 9_000}, 5),
        ({"max_bitrate": 6}, {}, 6),
        ({}, {"total_bandwidth": 9_000}, 9),
        ({}, {"total_bandwidth": "much"}, 0),
    ],
)
def test_capacity(config: dict[str, Any], stats: dict[str, Any], kbit: int) -> None:
    assert capacity_kbit(config, stats) == kbit
