"""Which time of an archive a path asks for. Pure.

    archive-FROM-DURATION   from then on for so long (index-, video- mean the same)
    archive-FROM-now        from then on, and on
    rewind-AGO              from so long ago on, and on
    timeshift_abs-FROM      as if that were now: time goes on
    timeshift_rel-AGO       the same, so long ago

FROM is in Unix seconds, the others in seconds.
"""

import re
from typing import Literal, NamedTuple

from media_streamer.archive.places import MAX_MS

Kind = Literal["archive", "event", "timeshift"]

MARKERS = ("/archive-", "/index-", "/video-", "/rewind-", "/timeshift_")
MIN_SHIFT_SECONDS = 20
"""Nearer than this nothing may be recorded yet."""
_NUMBER = r"\d{1,15}"
PATTERN = (
    rf"(?:(?:archive|index|video)-(?P<from>{_NUMBER})-(?P<duration>{_NUMBER}|now)"
    rf"|rewind-(?P<rewind>{_NUMBER})"
    rf"|(?:video-)?timeshift_abs-(?P<abs>{_NUMBER})"
    rf"|(?:video-)?timeshift_rel-(?P<rel>{_NUMBER}))"
)
"""What a path says; its groups are the argument of `asked`."""
LISTED = r"(?P<kind>archive|event|timeshift)-(?P<first>\d{1,15})-(?P<second>\d{1,15}|now)"
"""What the playlists of tracks are called; its groups are the argument of `listed`."""
_LISTED = re.compile(LISTED)


class Moment(NamedTuple):
    """A time of the archive; Unix ms."""

    kind: Kind
    """`archive`: all of it is there. `event`: it grows until its end. `timeshift`: a window that
    moves with the clock, which showed `to_ms` when it stood at `from_ms`."""
    from_ms: int
    to_ms: int

    @property
    def name(self) -> str:
        """What playlists of tracks are called: seconds, so that they mean the same later."""
        first = self.from_ms // 1000
        second = self.to_ms // 1000
        if self.kind == "archive":
            return f"archive-{first}-{second - first}"
        end = "now" if self.kind == "event" and self.to_ms >= MAX_MS else str(second)
        return f"{self.kind}-{first}-{end}"


def asked(values: dict[str, str], query: dict[str, str], now: float) -> Moment:
    """What the groups of `PATTERN` mean at Unix time `now`; cut to what there can be."""
    if values.get("abs") or values.get("rel"):
        start = int(values["abs"]) if values.get("abs") else int(now) - int(values["rel"])
        start = max(0, min(start, int(now) - MIN_SHIFT_SECONDS))
        return Moment("timeshift", start * 1000, int(now) * 1000)
    if values.get("rewind"):
        return Moment("event", _ms(str(max(0, int(now) - int(values["rewind"])))), MAX_MS)
    start = _ms(values["from"])
    if values["duration"] == "now":
        return Moment("event", start, MAX_MS)
    end = min(start + _ms(values["duration"]), MAX_MS)
    if query.get("event") == "true" and end > now * 1000:
        return Moment("event", start, end)
    return Moment("archive", start, end)


def listed(values: dict[str, str]) -> Moment:
    """What the groups of `LISTED` mean."""
    kind, first, second = values["kind"], _ms(values["first"]), values["second"]
    if kind == "archive" and second != "now":
        return Moment("archive", first, min(first + _ms(second), MAX_MS))
    end = MAX_MS if second == "now" else _ms(second)
    return Moment("timeshift" if kind == "timeshift" else "event", first, end)


def _ms(seconds: str) -> int:
    return min(int(seconds if seconds != "now" else 0) * 1000, MAX_MS)
