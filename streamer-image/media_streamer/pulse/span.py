"""Which steps a graph has, and from which level they are read. Pure."""

from dataclasses import dataclass

from media_streamer.pulse.points import LEVELS, Level

MAX_POINTS = 2000
DEFAULT_POINTS = 300
MAX_UNIX = 10**11


@dataclass(frozen=True, slots=True)
class Span:
    """`since` to `until` in steps of `step`, Unix seconds; `level`: the coarsest that serves it."""

    since: int
    until: int
    step: int
    level: Level


def span_of(since: int, until: int, points: int, now: int) -> Span:
    """The steps of a graph with about so many points. Raises ValueError for a span that is none."""
    if not 0 <= since < until <= MAX_UNIX:
        raise ValueError("the span must end after its begin")
    points = max(1, min(points, MAX_POINTS))
    length = until - since
    for level in LEVELS:
        wanted = -(-length // (level.step * points)) * level.step
        following = LEVELS[min(level.number + 1, len(LEVELS) - 1)]
        kept = since >= now - level.keep and length <= level.longest
        if level is following or (wanted < following.step and kept):
            break
    return Span(since - since % wanted, until, wanted, level)
