import time
from datetime import UTC, datetime, timedelta

import pytest
from media_streamer.archive.schedule import records_at, schedule_of


def at(hour: int, minute: int) -> float:
    return datetime(2026, 11, 26, hour, minute, 59, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("hour", "minute", "recorded"),
    [(7, 59, False), (8, 0, True), (15, 59, True), (16, 0, False), (21, 59, False), (22, 0, True),
     (0, 0, True), (1, 29, True), (1, 30, False)],
)  # fmt: skip
def test_ranges_may_go_over_midnight(hour: int, minute: int, recorded: bool) -> None:
    schedule = schedule_of([[800, 1600], [2200, 130]])
    assert records_at(schedule, at(hour, minute)) is recorded


@pytest.mark.parametrize("night", [(2026, 3, 29), (2026, 10, 25)])
def test_the_clock_of_a_place_and_its_summer_time_change_nothing(
    monkeypatch: pytest.MonkeyPatch, night: tuple[int, int, int]
) -> None:
    """In those nights an hour is missing there, or comes twice; the schedule is in UTC."""
    schedule = schedule_of([[2200, 130]])
    begin = datetime(*night, tzinfo=UTC) - timedelta(hours=3)
    moments = [(begin + timedelta(minutes=minute)).timestamp() for minute in range(6 * 60)]
    found = {}
    for zone in ("UTC", "Europe/Berlin", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        found[zone] = [records_at(schedule, moment) for moment in moments]
    monkeypatch.undo()
    time.tzset()
    assert found["Europe/Berlin"] == found["America/New_York"] == found["UTC"]
    assert found["UTC"] == [60 <= minute < 60 + 210 for minute in range(6 * 60)]


def test_without_a_schedule_it_is_always_time() -> None:
    assert records_at(schedule_of(None), at(3, 0))
    assert records_at(schedule_of([[0, 2400]]), at(23, 59))
    assert not records_at(schedule_of([[900, 900]]), at(9, 0))
