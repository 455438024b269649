"""What an archive lacks of that of another server, and which segments fill it. Pure.

Two servers cut the same frames into segments of their own, and count time from their own clocks,
but for `m4f`, by which frames keep their time. So a gap is filled by whole segments of the other
server, and where they meet those of this one a part of a segment may be shown twice; nothing is
left out.
"""

from collections.abc import Iterable, Iterator, Sequence

from media_streamer.archive.container import Group
from media_streamer.archive.library import Entry
from media_streamer.archive.places import HOUR_MS
from media_streamer.archive.ranges import GAP_MS, Range, merge, without
from media_streamer.archive.retention import Limits
from media_streamer.archive.schedule import Schedule, records_at
from media_streamer.archive.stored import OVERHANG_MS

SETTLED_MS = 60_000
"""What is newer, and after the newest segment here, may still be on its way to the disk."""
TOUCH_MS = GAP_MS // 2
"""A segment that has no more than this of a gap does not fill it."""
MAX_SEGMENT_MS = 60_000
"""No segment is longer."""
ASKED_MS = HOUR_MS
"""No more is asked for at once."""
_MINUTE_MS = 60_000


def wanted_time(
    now_ms: int, limits: Limits, span_ms: int, local: Sequence[Range], locks: Iterable[Range]
) -> Range:
    """Of which time nothing should be missing here; `local`: what is here, in order.

    Limits of size and of the disk delete what is oldest, and that must not come back: there it
    begins with what is here. What is only here because it is locked, or an episode keeps it, does
    not count.
    """
    newest_ms = local[-1].to_ms if local else 0
    to_ms = min(now_ms, max(newest_ms, now_ms - SETTLED_MS))
    from_ms = 0
    if limits.expiration_seconds is not None:
        # Whole files go: what is to stay must be younger than the oldest file may be.
        from_ms = now_ms - limits.expiration_seconds * 1000 + span_ms + OVERHANG_MS
    if limits.size_bytes is not None or limits.disk_percent is not None:
        free = list(local)
        for lock in locks:
            free = without(free, lock)
        from_ms = max(from_ms, free[0].from_ms if free else to_ms)
    from_ms = max(0, from_ms)
    return Range(min(from_ms, to_ms), to_ms)


def gaps(time: Range, held: Iterable[Range]) -> list[Range]:
    """What is missing within a time, as far as it is a gap."""
    found, at = [], time.from_ms
    for one in merge(held, 0):
        if one.from_ms > at:
            found.append(Range(at, min(one.from_ms, time.to_ms)))
        at = max(at, one.to_ms)
        if at >= time.to_ms:
            break
    if at < time.to_ms:
        found.append(Range(at, time.to_ms))
    return [one for one in found if one.to_ms - one.from_ms > GAP_MS]


def common(some: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    """What is in both; each in order and without overlaps."""
    found, i, k = [], 0, 0
    while i < len(some) and k < len(others):
        start = max(some[i].from_ms, others[k].from_ms)
        end = min(some[i].to_ms, others[k].to_ms)
        if start < end:
            found.append(Range(start, end))
        if some[i].to_ms < others[k].to_ms:
            i += 1
        else:
            k += 1
    return found


def to_fill(gaps: Sequence[Range], origin: Iterable[Range], schedule: Schedule) -> list[Range]:
    """What to ask for, the oldest first: gaps of which the other server has something, within the
    times of day at which the stream is recorded."""
    both = common(gaps, merge(origin, 0))
    if schedule:
        both = [part for one in both for part in _scheduled(one, schedule)]
    return [one for one in both if one.to_ms - one.from_ms > GAP_MS]


def _scheduled(time: Range, schedule: Schedule) -> Iterator[Range]:
    at, begun = time.from_ms, -1
    while at < time.to_ms:
        is_on = records_at(schedule, at / 1000)
        if is_on and begun < 0:
            begun = at
        elif not is_on and begun >= 0:
            yield Range(begun, at)
            begun = -1
        at = (at // _MINUTE_MS + 1) * _MINUTE_MS
    if begun >= 0:
        yield Range(begun, time.to_ms)


def fills(group: Group, gap: Range) -> bool:
    """Whether a segment has enough of a gap."""
    inside = min(group.end_ms, gap.to_ms) - max(group.start_ms, gap.from_ms)
    return inside > 0 and (inside > TOUCH_MS or inside == group.end_ms - group.start_ms)


def first_part(entries: Iterable[Entry], gap: Range, max_bytes: int) -> list[Entry]:
    """The first of those that fill a gap: all of one file, and at most so many bytes, but one."""
    found: list[Entry] = []
    size = 0
    for entry in entries:
        if not fills(entry.group, gap):
            continue
        size += entry.group.size
        is_other = bool(found) and entry.content.file.path != found[0].content.file.path
        if found and (is_other or size > max_bytes):
            break
        found.append(entry)
    return found
