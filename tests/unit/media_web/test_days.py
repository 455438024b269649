"""The days of the archive's calendar, against Python's calendar and time zones."""

import calendar
import json
import os
import shutil
import subprocess
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from media_web.assets import STATIC

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")

BERLIN = ZoneInfo("Europe/Berlin")
"""Summer time begins on 2024-03-31 and ends on 2024-10-27."""


def told(expression: str) -> object:
    """What an expression of the module's functions gives, in a browser in Berlin."""
    program = f"""
      const {{ dateText, plusDays, plusMonths, recordedDays, stepped, weeksOf, within }}
        = await import("{STATIC}/pages/stream/days.js");
      console.log(JSON.stringify({expression}));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        capture_output=True, check=True, timeout=30, env={**os.environ, "TZ": BERLIN.key},
    )  # fmt: skip
    return json.loads(done.stdout)


def test_months_are_cut_in_weeks_from_monday_on() -> None:
    months = [(year, month) for year in (1999, 2000, 2024, 2026) for month in range(1, 13)]
    days = [f"{year}-{month:02}-11" for year, month in months]
    expected = [
        [
            [one.isoformat() if one.month == month else None for one in week]
            for week in calendar.Calendar().monthdatescalendar(year, month)
        ]
        for year, month in months
    ]
    assert told(f"{json.dumps(days)}.map(weeksOf)") == expected


def test_each_day_of_two_years_leads_to_its_neighbours() -> None:
    first = date(2023, 12, 30)
    days = [first + timedelta(number) for number in range(800)]
    keys = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]
    steps = [[-1, 1, -7, 7, -one.weekday(), 6 - one.weekday()] for one in days]
    expected = [
        [(one + timedelta(step)).isoformat() for step in of]
        for one, of in zip(days, steps, strict=True)
    ]
    texts = json.dumps([one.isoformat() for one in days])
    keyed = json.dumps(keys)
    assert told(f"{texts}.map((day) => {keyed}.map((key) => stepped(day, key)))") == expected


def test_a_month_further_is_never_two_months_further() -> None:
    asked = [("2024-01-31", 1), ("2023-01-31", 1), ("2024-03-31", -1), ("2024-01-15", -1),
             ("2024-12-31", 1), ("2024-02-29", 12), ("2024-02-29", -48)]  # fmt: skip
    assert told(f"{json.dumps(asked)}.map(([day, count]) => plusMonths(day, count))") == [
        "2024-02-29", "2023-02-28", "2024-02-29", "2023-12-15", "2025-01-31", "2025-02-28",
        "2020-02-29",
    ]  # fmt: skip
    assert told('[stepped("2024-03-31", "PageUp"), stepped("2024-03-31", "PageDown")]') == [
        "2024-02-29", "2024-04-30",
    ]  # fmt: skip
    assert told('stepped("2024-03-31", "Enter")') is None


def test_a_day_is_held_between_the_first_and_the_last() -> None:
    days = ["2024-01-01", "2024-02-10", "2024-03-01"]
    held = f'{json.dumps(days)}.map((day) => within(day, "2024-02-01", "2024-02-29"))'
    assert told(held) == ["2024-02-01", "2024-02-10", "2024-02-29"]


def unix(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=BERLIN).timestamp())  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("begin", "seconds", "month", "days"),
    [
        ((2024, 2, 28, 23), 7200, "2024-02", ["2024-02-28", "2024-02-29"]),
        ((2024, 2, 28, 23), 3600, "2024-02", ["2024-02-28"]),  # until midnight
        ((2024, 2, 29, 0), 1, "2024-02", ["2024-02-29"]),
        ((2024, 2, 29, 0), 0, "2024-02", []),
        ((2024, 3, 31, 0), 23 * 3600, "2024-03", ["2024-03-31"]),  # all of a day of 23 hours
        ((2024, 10, 27, 0), 25 * 3600, "2024-10", ["2024-10-27"]),  # and of 25
        ((2024, 10, 27, 0), 25 * 3600 + 1, "2024-10", ["2024-10-27", "2024-10-28"]),
        ((2024, 1, 31, 23), 7200, "2024-02", ["2024-02-01"]),
        ((2024, 1, 31, 23), 3600, "2024-02", []),
        ((2024, 12, 31, 23), 7200, "2024-12", ["2024-12-31"]),
        ((2020, 1, 1), 10 * 366 * 86_400, "2024-02", [f"2024-02-{n:02}" for n in range(1, 30)]),
    ],
)  # fmt: skip
def test_days_of_what_is_recorded(
    begin: tuple[int, ...], seconds: int, month: str, days: list[str]
) -> None:
    ranges = [{"from": unix(*begin), "duration": seconds}]
    assert told(f"[...recordedDays({json.dumps(ranges)}, {json.dumps(month)})]") == days


def test_a_range_of_a_million_years_costs_a_month() -> None:
    ranges = [{"from": 0, "duration": 250_000 * 365 * 86_400}]
    assert told(f'[...recordedDays({json.dumps(ranges)}, "2024-02")].length') == 29
