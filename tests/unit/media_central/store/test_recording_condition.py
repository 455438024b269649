"""What is said of the archive of a stream, by its configuration and figures."""

from typing import Any

import pytest
from media_central.store.kubernetes.status import recording_condition

DVR = {"dvr": {"root": "/srv"}}
FULL = {"dvr_write": {"error": "No space left on device"}, "alive": True}


@pytest.mark.parametrize(
    ("config", "stats", "state", "words"),
    [
        ({}, {"alive": True}, "Unknown", "no archive"),
        ({"dvr": {"expiration": 5}}, {"alive": True}, "Unknown", "no archive"),
        (DVR, {"alive": True, "dvr_enabled": True}, "True", "s1"),
        (DVR, FULL, "False", "No space left"),
        ({"dvr": {"reference": "disks"}}, {**FULL, "dvr_enabled": True}, "False", "No space"),
        (DVR, {"alive": False}, "Unknown", "no frames"),
    ],
)
def test_a_stream_is_recorded_or_it_is_said_why_not(
    config: dict[str, Any], stats: dict[str, Any], state: str, words: str
) -> None:
    found = recording_condition(config, stats, "s1")
    assert found is not None
    assert found[0] == state
    assert words in found[2]


def test_what_begins_changes_nothing() -> None:
    assert recording_condition(DVR, {"alive": True, "dvr_enabled": False}, "s1") is None
