"""The line through the measurements of a soak: a rise is seen, noise is none."""

import math
import random

import pytest

from tests.soak.slope import BLOCKS, fit


def test_a_leak_is_seen_through_the_noise() -> None:
    random_ = random.Random(1)
    times = [float(second) for second in range(180)]
    values = [100 + 0.1 * at + random_.gauss(0, 3) for at in times]
    slope = fit(times, values)
    assert slope.per_hour == pytest.approx(360, abs=4 * slope.error)
    assert slope.rises(floor=4)
    assert not slope.rises(floor=40), "a rise below the floor is allowed"


def test_what_goes_up_and_down_does_not_rise() -> None:
    random_ = random.Random(2)
    times = [float(second) for second in range(180)]
    values = [100 + 20 * math.sin(at / 7) + random_.gauss(0, 3) for at in times]
    assert not fit(times, values).rises(floor=0.5)


def test_what_stays_has_no_slope() -> None:
    slope = fit([float(n) for n in range(2 * BLOCKS)], [7.0] * 2 * BLOCKS)
    assert (slope.mean, slope.per_hour, slope.error) == (7.0, 0.0, 0.0)
    assert not slope.rises(floor=0)


def test_too_few_measurements_say_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit([0.0, 1.0], [1.0, 2.0])
