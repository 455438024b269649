"""A straight line through measurements, and how sure its slope is. Pure.

Neighbouring measurements depend on each other (caches fill and empty), which makes the error of a
plain regression too small. So means of a few blocks are fitted: they hardly do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BLOCKS = 10
SURE = 3.0
"""Standard errors that a slope must be above nothing to count."""


@dataclass(frozen=True, slots=True)
class Slope:
    """By hour."""

    mean: float
    per_hour: float
    error: float
    """Standard error of `per_hour`."""
    rise: float
    """What the line rises from the first to the last measurement."""

    def rises(self, floor: float) -> bool:
        """Whether it surely rises, by more than `floor` over the run."""
        return self.rise > floor and self.per_hour > SURE * self.error


def fit(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Of measurements at times in seconds, in order; 2 * BLOCKS of them at least."""
    if len(times) != len(values) or len(times) < 2 * BLOCKS:
        raise ValueError(f"{len(times)} times and {len(values)} values are too few")
    size = len(times) / BLOCKS
    edges = [round(size * number) for number in range(BLOCKS + 1)]
    x = [_mean(times[a:b]) for a, b in pairwise(edges)]
    y = [_mean(values[a:b]) for a, b in pairwise(edges)]
    middle, mean = _mean(x), _mean(y)
    spread = sum((at - middle) ** 2 for at in x)
    slope = sum((at - middle) * (value - mean) for at, value in zip(x, y, strict=True)) / spread
    rest = sum((value - mean - slope * (at - middle)) ** 2 for at, value in zip(x, y, strict=True))
    error = math.sqrt(rest / (BLOCKS - 2) / spread)
    return Slope(mean, 3600 * slope, 3600 * error, slope * (times[-1] - times[0]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
