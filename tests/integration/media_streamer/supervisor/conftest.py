"""A whole streamer as its users have it: the command, its workers, its ports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.streamer import ADMIN, VIEWER, Lender, Streamer, ffprobe, until

from .option_backend import Backend

__all__ = ["ADMIN", "VIEWER", "Streamer", "ffprobe", "free_port", "until"]


@pytest.fixture
async def own_streamer(tmp_path: Path) -> AsyncIterator[Streamer]:
    """One that the test starts, and that ends with it."""
    one = Streamer(tmp_path)
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture
def streamer(own_streamer: Streamer) -> Streamer:
    """What most of these tests are about is how it starts, ends, or loses a worker."""
    return own_streamer


@pytest.fixture
async def lent_streamer(lender: Lender) -> AsyncIterator[Streamer]:
    """Lent: each test gives it a configuration of its own."""
    async with lender.lend() as one:
        yield one


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend().serving() as one:
        yield one
