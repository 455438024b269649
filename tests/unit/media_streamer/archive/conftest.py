"""Archives of `tests.support.recordings` in the folder of the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from media_streamer.archive.places import MAX_SPAN_MS, OWNER_FILE
from media_streamer.archive.shelf import Shelf

from tests.support.recordings import (
    AUDIO,
    SECONDS,
    SECTION,
    START_MS,
    VIDEO,
    Recording,
    fragment,
    track_init,
)

__all__ = [
    "AUDIO", "SECONDS", "SECTION", "START_MS", "VIDEO", "Recording", "fragment", "track_init",
]  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Callable[..., Recording]]:
    made = []

    def make(stream: str = "a/b", span_ms: int = MAX_SPAN_MS) -> Recording:
        (tmp_path / OWNER_FILE).touch()
        one = Recording(tmp_path, Shelf(stream, tmp_path, tmp_path / stream, span_ms))
        made.append(one)
        return one

    yield make
    for one in made:
        one.shelf.close()


@pytest.fixture
def recording(record: Callable[..., Recording]) -> Recording:
    return record()
