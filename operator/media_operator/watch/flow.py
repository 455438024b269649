"""One kind on its way through kopf: what went in, what came out, and where its lists end.

kopf tells of objects one by one, each in a task of its own, and not where a list begins or ends; it
never tells which objects are gone when it lists anew. So what its session reads is counted here
against what its handlers are called with. Two things follow. A list is complete, and what was not
in it is gone, once its last object came out. And no more is read before what was read came out, but
for a chunk of a list. That bounds kopf's tasks and memory, and it keeps the order: kopf has a task
for each UID, and would tell that a pod is gone after it told of its successor of the same name.

Lives in kopf's thread and loop. What it tells is `Change`s in their order.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

STUCK_SECONDS = 30.0
"""What kopf holds for so long is lost to it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to the objects of a kind."""

    type: Literal["begin", "put", "remove", "end"]
    """`begin` and `end` of a list: what was not put between them is gone."""
    kind: str
    object: Object | None = None


class StuckError(Exception):
    """kopf does not hand on what it was given: only a fresh start helps."""


class Flow:
    """Counts one kind; `tell` gets its changes."""

    def __init__(self, kind: str, tell: Callable[[Change], None]) -> None:
        self._kind = kind
        self._tell = tell
        self._listed: set[Key] = set()
        """Objects of the list being read that have not come out yet."""
        self._lists = False
        """A list began and did not end."""
        self._read_whole = False
        """Its last chunk was read."""
        self._events = 0
        """Events of the watch that have not come out yet."""
        self._moved = asyncio.Event()
        self.heard = time.monotonic()
        """When kopf last got something of this kind, or asked for it in vain."""

    def touch(self) -> None:
        """kopf follows this kind, with or without success."""
        self.heard = time.monotonic()

    async def chunk(self, keys: Collection[Key], *, first: bool, last: bool) -> None:
        """A chunk of a list was read and goes into kopf when this returns. Raises StuckError."""
        await self._wait_for_room()
        if first:
            self._lists = True
            self._tell(Change("begin", self._kind))
        self._listed.update(keys)
        self._read_whole = last
        self._end_list()

    async def event(self) -> None:
        """An event of a watch was read and goes into kopf when this returns. Raises StuckError."""
        await self._wait_for_room()
        self._events += 1

    def came_out(self, type_: str | None, body: Object) -> None:
        """kopf called the handler: `type_` is None for an object of a list."""
        body.setdefault("kind", self._kind)
        self._tell(Change("remove" if type_ == "DELETED" else "put", self._kind, body))
        if type_ is None:
            meta = body["metadata"]
            self._listed.discard((meta.get("namespace", ""), meta["name"]))
            self._end_list()
        else:
            self._events -= 1
        self._moved.set()

    def _end_list(self) -> None:
        if self._lists and self._read_whole and not self._listed:
            self._lists = self._read_whole = False
            self._tell(Change("end", self._kind))

    async def _wait_for_room(self) -> None:
        """Until kopf holds no object of this kind."""
        try:
            async with asyncio.timeout(STUCK_SECONDS):
                while self._listed or self._events:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            count = len(self._listed) + self._events
            raise StuckError(f"kopf holds {count} {self._kind} objects back") from None
