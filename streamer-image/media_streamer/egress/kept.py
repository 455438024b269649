"""What was made of late, kept within a bound and made once for all who ask meanwhile."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
Key = TypeVar("Key", bound=Hashable)


class Kept(Generic[Key, Result]):
    """Results of work that costs, the newest used of them, and the work that is under way."""

    def __init__(self, limit: int, size: Callable[[Result], int]) -> None:
        self._limit = limit
        self._size = size
        self._known: OrderedDict[Key, Result] = OrderedDict()
        self._made: dict[Key, asyncio.Task[Result]] = {}
        self._held = 0

    def get(self, key: Key) -> Result | None:
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def drop(self, key: Key) -> None:
        found = self._known.pop(key, None)
        if found is not None:
            self._held -= self._size(found)

    def put(self, key: Key, made: Result) -> None:
        """What is used longest ago makes room."""
        self.drop(key)
        self._known[key] = made
        self._held += self._size(made)
        while self._held > self._limit and len(self._known) > 1:
            self.drop(next(iter(self._known)))

    async def make(self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """What is kept, or what `work` gives, for all who ask meanwhile."""
        if (found := self.get(key)) is not None:
            return found
        task = self._made.get(key)
        if task is None:
            task = self._made[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def _done(self, key: Key, task: asyncio.Task[Result]) -> None:
        del self._made[key]
        if task.cancelled() or task.exception() is not None:
            return
        self.put(key, task.result())
