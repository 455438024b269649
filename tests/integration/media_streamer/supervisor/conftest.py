"""A whole streamer as its users have it: the command, its workers, its ports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.streamer import ADMIN, VIEWER, Streamer, ffprobe, until

__all__ = ["ADMIN", "VIEWER", "Streamer", "ffprobe", "free_port", "until"]


@pytest.fixture
async def streamer(tmp_path: Path) -> AsyncIterator[Streamer]:
    one = Streamer(tmp_path)
    try:
        yield one
    finally:
        await one.close()
