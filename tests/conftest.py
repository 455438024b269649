"""What holds for every test: property tests are judged by what they find, not by the clock; a test
leaves its process as it was.

How many examples a property test tries is the profile's business (HYPOTHESIS_PROFILE), never the
test's: `default` for every commit, `long` for `make test-long`.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.longest import longest_first
from tests.support.pool import pytest_runtestloop as pytest_runtestloop  # a hook

# A busy machine is no fault of the code: `timeout` of pytest still ends what hangs.
settings.register_profile(
    "default", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

OF_PROGRAMS = (logging.StreamHandler, logging.FileHandler)
"""Not those of pytest, which come and go between the phases of a test."""
CLUSTER_TESTS = Path(__file__).parent / "cluster"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the tests marked `long`")
    parser.addoption("--longest-first", action="store_true", help="the order of a whole run")
    parser.addoption(
        "--processes", type=int, default=1, metavar="N", help="that run files beside each other"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs Kubernetes; leave out what takes long, unless that was asked for."""
    kept, left = [], []
    for item in items:
        if fixture := _kubernetes(item):
            item.add_marker(pytest.mark.kubernetes)
            item.add_marker(pytest.mark.one_process(fixture))
        is_long = item.get_closest_marker("long") and not config.getoption("--long")
        (left if is_long else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
    if config.getoption("--longest-first"):
        longest_first(items)


def _kubernetes(item: pytest.Item) -> str:
    """The fixture by which a test needs the programs of Kubernetes: one for all tests of a run."""
    used = getattr(item, "fixturenames", ())
    if "api_server" in used:
        return "api_server"
    return "cluster" if "cluster" in used and item.path.is_relative_to(CLUSTER_TESTS) else ""


@pytest.fixture(autouse=True)
def ordinary_log() -> Iterator[None]:
    """A program's `main` that a test calls sets the log up; later tests are not to write to it."""
    root = logging.getLogger()
    handlers, level = set(root.handlers), root.level
    yield
    root.setLevel(level)
    for one in set(root.handlers) - handlers:
        if type(one) in OF_PROGRAMS:
            root.removeHandler(one)


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """An encoder that makes this thread a real-time one would starve all that later tests start."""
    yield
    policy = os.sched_getscheduler(0)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    assert policy == os.SCHED_OTHER, "the test left its thread with a real-time priority"
