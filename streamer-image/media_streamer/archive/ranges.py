"""Which parts of a time are recorded, without their gaps. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

GAP_MS = 1000
"""What is missing for less than this is no gap: ranges are told in seconds."""


class Range(NamedTuple):
    """Unix ms; the end is not part of it."""

    from_ms: int
    to_ms: int

    def overlaps(self, other: "Range") -> bool:
        """Whether they share a moment."""
        return self.from_ms < other.to_ms and other.from_ms < self.to_ms

    def as_json(self) -> dict[str, int]:
        """`media_api.dvr.DvrRange`: whole seconds that lie inside."""
        start = -(-self.from_ms // 1000)
        return {
            "from": start,
            "duration": max(0, self.to_ms // 1000 - start),
            "opened_at": self.from_ms,
            "closed_at": self.to_ms,
        }


def merge(ranges: Iterable[Range], gap_ms: int = GAP_MS) -> list[Range]:
    """Ranges in order, those that overlap or nearly touch as one."""
    merged: list[Range] = []
    for one in sorted(ranges):
        if merged and one.from_ms - merged[-1].to_ms <= gap_ms:
            merged[-1] = Range(merged[-1].from_ms, max(merged[-1].to_ms, one.to_ms))
        else:
            merged.append(one)
    return merged


def within(ranges: Iterable[Range], limits: Range) -> list[Range]:
    """What of the ranges lies inside of `limits`."""
    cut = (Range(max(r.from_ms, limits.from_ms), min(r.to_ms, limits.to_ms)) for r in ranges)
    return [one for one in cut if one.from_ms < one.to_ms]


def without(ranges: Iterable[Range], taken: Range) -> list[Range]:
    """The ranges less `taken`."""
    left: list[Range] = []
    for one in ranges:
        if not one.overlaps(taken):
            left.append(one)
            continue
        if one.from_ms < taken.from_ms:
            left.append(Range(one.from_ms, taken.from_ms))
        if taken.to_ms < one.to_ms:
            left.append(Range(taken.to_ms, one.to_ms))
    return left


def total_ms(ranges: Sequence[Range]) -> int:
    """How long they are together."""
    return sum(one.to_ms - one.from_ms for one in ranges)
