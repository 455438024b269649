"""When a stream is alive."""

import pytest
from media_api.liveness import is_alive


@pytest.mark.parametrize(
    ("delay", "alive"), [(None, False), (0, True), (12_000, True), (12_001, False)]
)
def test_alive(delay: int | None, alive: bool) -> None:
    assert is_alive(delay) is alive
