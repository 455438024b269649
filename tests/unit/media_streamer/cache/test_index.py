"""The order of use, the limit of size and the limit of age, under any sequence of operations."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from media_streamer.cache.index import Entry, Index

LIMIT = 100
KEYS = st.sampled_from("abcdefgh")


class IndexMachine(RuleBasedStateMachine):
    """The index against a list that is kept in order the slow way."""

    def __init__(self) -> None:
        super().__init__()
        self.index = Index(LIMIT)
        self.model: list[Entry] = []
        self.now = 0.0

    @rule(key=KEYS, size=st.integers(1, 120), life=st.sampled_from([1.0, 5.0, math.inf]))
    def add(self, key: str, size: int, life: float) -> None:
        entry = Entry(key, size, self.now, self.now + life)
        left = self.index.add(entry)
        if size > LIMIT:
            assert left == [entry]
            return
        expected = [e for e in self.model if e.key == key]
        self.model = [e for e in self.model if e.key != key]
        while sum(e.size for e in self.model) + size > LIMIT:
            expected.append(self.model.pop(0))
        self.model.append(entry)
        assert left == expected

    @rule(key=KEYS)
    def use(self, key: str) -> None:
        found = self.index.use(key, self.now)
        expected = [e for e in self.model if e.key == key and e.expires_at > self.now]
        assert ([found] if found else []) == expected
        if found:
            self.model.remove(found)
            self.model.append(found)

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        removed = self.index.remove(key)
        assert ([removed] if removed else []) == [e for e in self.model if e.key == key]
        self.model = [e for e in self.model if e.key != key]

    @rule(seconds=st.floats(0, 10))
    def expire(self, seconds: float) -> None:
        self.now += seconds
        left = self.index.expire(self.now)
        assert set(left) == {e for e in self.model if e.expires_at <= self.now}
        self.model = [e for e in self.model if e.expires_at > self.now]

    @rule(size=st.integers(-10, LIMIT))
    def shrink(self, size: int) -> None:
        left = self.index.shrink(size)
        assert left == self.model[: len(left)]
        self.model = self.model[len(left) :]
        assert self.index.total <= max(0, size)

    @invariant()
    def same(self) -> None:
        assert list(self.index) == [e.key for e in self.model]
        assert self.index.total == sum(e.size for e in self.model) <= LIMIT


TestIndex = IndexMachine.TestCase
TestIndex.settings = settings(stateful_step_count=30)


def test_ends_of_entries_long_gone_are_forgotten():
    index = Index(10)
    for number in range(10_000):
        index.add(Entry(str(number), 5, 0.0, 1e9))
    assert len(index) == 2
    assert len(index._ends) < 1100
