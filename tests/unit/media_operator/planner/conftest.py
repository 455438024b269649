"""A simulated cluster."""

import pytest

from ..simulation import Simulation


@pytest.fixture
def cluster() -> Simulation:
    return Simulation()
