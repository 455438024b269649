"""What is written of a batch that PostgreSQL takes in parts only."""

from typing import cast

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_central.db import Database, DatabaseUnavailable
from media_central.history import store
from media_central.history.store import History
from media_central.history.tables import Retention

TABLE = "streamer_sample"


class Server(History):
    """PostgreSQL refuses the rows in `bad`, and is away at the calls in `away`."""

    def __init__(self, bad: set[int], away: set[int]) -> None:
        super().__init__(cast(Database, None), Retention(7, 7))
        self.bad, self.away = bad, away
        self.calls = 0
        self.rows: list[int] = []

    async def _write_once(self, table: str, batch: store._Batch) -> None:
        self.calls += 1
        if self.calls in self.away:
            raise DatabaseUnavailable("away")
        if any(row[0] in self.bad for row in batch.rows):
            raise asyncpg.DataError("no such value")
        self.rows += [row[0] for row in batch.rows]


@settings(max_examples=200, deadline=None)
@given(
    count=st.integers(0, 20),
    bad=st.sets(st.integers(0, 19), max_size=4),
    away=st.sets(st.integers(1, 30), max_size=6),
    size=st.integers(1, 8),
)
async def test_each_row_is_written_once_and_in_order(
    count: int, bad: set[int], away: set[int], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BATCH_ROWS", size)
        history = Server(bad, away)
        for number in range(count):
            history.add(TABLE, (number,))
        for _ in range(len(away) + 1):
            try:
                await history.flush()
            except DatabaseUnavailable:
                continue
            break
    assert history.queued_rows == 0
    assert history.rows == [number for number in range(count) if number not in bad]
    assert history.dropped_rows == len(bad & set(range(count)))
