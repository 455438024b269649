"""Times of day at which a stream is recorded. Pure."""

from collections.abc import Sequence

DAY_MINUTES = 24 * 60

Schedule = tuple[tuple[int, int], ...]
"""Pairs of hhmm in UTC; one whose end is before its start goes over midnight."""


def schedule_of(pairs: Sequence[Sequence[int]] | None) -> Schedule:
    """What a configuration says; empty: always."""
    return tuple((pair[0], pair[1]) for pair in pairs or ())


def records_at(schedule: Schedule, unix_seconds: float) -> bool:
    """Whether a stream is recorded at that moment; the end of a range is not part of it."""
    if not schedule:
        return True
    minute = int(unix_seconds // 60) % DAY_MINUTES
    return any(_holds(_minutes(start), _minutes(end), minute) for start, end in schedule)


def _holds(start: int, end: int, minute: int) -> bool:
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def _minutes(hhmm: int) -> int:
    hours, minutes = divmod(hhmm, 100)
    return min(hours * 60 + minutes, DAY_MINUTES)
