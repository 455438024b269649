"""A week of an archive on a clock of its own: hours, days, restarts, limits and a lock.

Of each hour the first and the last segment are recorded, the others are gaps: so each file is begun
and ended, and each seam of two hours is there. Limits are looked at four times a day.
"""

from pathlib import Path

from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.archive.declared import declared
from media_streamer.archive.keeper import keep_limits
from media_streamer.archive.library import Library
from media_streamer.archive.locks import write_locks
from media_streamer.archive.places import (
    HOUR_MS,
    MAX_SPAN_MS,
    OWNER_FILE,
    files_between,
    index_path,
)
from media_streamer.archive.ranges import Range
from media_streamer.archive.shelf import Shelf

from .conftest import SECONDS, Recording

BEGAN_MS = 1_711_756_800_000
"""30 March 2024, 0:00 UTC: Europe changes its clocks within the week, archives do not."""
HOURS = 7 * 24
KEPT_HOURS = 48
PER_HOUR = 3600 // SECONDS
LOCKED = Range(BEGAN_MS + 30 * HOUR_MS, BEGAN_MS + 31 * HOUR_MS)


def test_a_week(tmp_path: Path) -> None:
    (tmp_path / OWNER_FILE).touch()
    dvr = {"root": str(tmp_path), "expiration": KEPT_HOURS * 3600}
    stream = declared(StreamConfig.model_validate({"name": "a", "dvr": dvr}), ServerConfig())
    assert stream is not None
    recording = Recording(tmp_path, Shelf("a", tmp_path, stream.folder, MAX_SPAN_MS), BEGAN_MS)
    day = 0
    most = 0
    for hour in range(HOURS):
        if hour // 24 != day:  # the server is started anew, with another clock of the stream
            day = hour // 24
            recording.restart(BEGAN_MS + day * 24 * HOUR_MS)
        for number in (0, PER_HOUR - 1):
            recording.count = (hour - 24 * day) * PER_HOUR + number
            recording.write()
        if hour == 31:
            write_locks(stream.folder, [LOCKED])
        if hour % 6 == 5:
            kept = keep_limits(tmp_path, {"a": stream}, BEGAN_MS + (hour + 1) * HOUR_MS)
            most = max(most, len(kept.files))
    now_ms = BEGAN_MS + HOURS * HOUR_MS
    recording.shelf.close()

    first = HOURS - KEPT_HOURS
    left = [(one.start_ms - BEGAN_MS) // HOUR_MS for one in files_between(stream.folder)]
    assert left == [30, *range(first, HOURS)], "the hour that is locked, and the last two days"
    assert most <= KEPT_HOURS + 1 + 6
    entries = Library().entries(stream.folder, 0, now_ms)
    assert [(one.group.start_ms - BEGAN_MS) // HOUR_MS for one in entries] == [
        hour for hour in left for _ in range(2)
    ]
    # An hour goes over into the next one without a break, but where the server was started anew.
    seams = [one.broken for one in entries[4::2]]
    days = [hour % 24 == 0 for hour in range(first + 1, HOURS)]
    assert all(broken <= is_day for broken, is_day in zip(seams, days, strict=True))
    assert all(one.broken for one in entries[3::2])
    step = SECONDS * 1000
    assert Library().ranges(stream.folder) == [
        Range(LOCKED.from_ms, LOCKED.from_ms + step),
        Range(LOCKED.to_ms - step, LOCKED.to_ms),
        Range(BEGAN_MS + first * HOUR_MS, BEGAN_MS + first * HOUR_MS + step),
        *(
            Range(BEGAN_MS + hour * HOUR_MS - step, BEGAN_MS + hour * HOUR_MS + step)
            for hour in range(first + 1, HOURS)
        ),
        Range(now_ms - step, now_ms),
    ]
    for one in files_between(stream.folder):
        index_path(one.path).unlink()
    assert [one.group for one in Library().entries(stream.folder, 0, now_ms)] == [
        one.group for one in entries
    ], "what the index says is what the file says"
