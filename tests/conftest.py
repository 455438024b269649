"""What holds for every test: property tests are judged by what they find, not by the clock; a test
leaves its process as it was.

How many examples a property test tries is the profile's business (HYPOTHESIS_PROFILE), never the
test's: `default` for every commit, `long` for `make test-long`.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: `timeout` of pytest still ends what hangs.
settings.register_profile(
    "default", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """An encoder that makes this thread a real-time one would starve all that later tests start."""
    yield
    policy = os.sched_getscheduler(0)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    assert policy == os.SCHED_OTHER, "the test left its thread with a real-time priority"
