"""Conditions keep the time of their last transition."""

from datetime import UTC, datetime, timedelta

from media_operator.conditions import MAX_MESSAGE_CHARS, Condition, merge

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_time_moves_only_when_the_status_does() -> None:
    first = merge([Condition("Ready", "False", "Why")], [], 1, NOW)
    assert first[0]["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    later = NOW + timedelta(seconds=10)
    assert merge([Condition("Ready", "False", "Why")], first, 1, later) == first
    said = merge([Condition("Ready", "False", "Other")], first, 2, later)
    assert (said[0]["reason"], said[0]["observedGeneration"]) == ("Other", 2)
    assert said[0]["lastTransitionTime"] == first[0]["lastTransitionTime"]
    changed = merge([Condition("Ready", "True", "Why")], said, 2, later)
    assert changed[0]["lastTransitionTime"] == "2026-01-02T03:04:15Z"


def test_what_is_not_wanted_is_gone_and_messages_have_a_bound() -> None:
    observed = [{"type": "Stalled", "status": "True"}]
    [ready] = merge([Condition("Ready", "True", "Why", "x" * 5000)], observed, 1, NOW)
    assert ready["type"] == "Ready"
    assert len(ready["message"]) == MAX_MESSAGE_CHARS
