"""Several streamers that know each other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.streamer import Streamer

KEY = "cluster_key between-us;\n"


class Cluster:
    """Streamers of one test; each has a directory and a name of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._all: list[Streamer] = []

    def streamer(self) -> Streamer:
        """One more, not started: its ports are known, so that others can be told."""
        directory = self._directory / f"s{len(self._all)}"
        directory.mkdir()
        one = Streamer(directory)
        self._all.append(one)
        return one

    async def serve(self, one: Streamer, text: str, **environment: str) -> None:
        """Start it with the cluster key and `text`."""
        one.write(KEY + text)
        await one.serve(STREAMER_HOSTNAME=one.directory.name, **environment)

    async def close(self) -> None:
        for one in self._all:
            await one.close()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    found = Cluster(tmp_path)
    try:
        yield found
    finally:
        await found.close()
