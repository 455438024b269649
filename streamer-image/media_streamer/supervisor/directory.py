"""Which media worker runs which stream.

Invariants: a stream keeps its worker while that worker is wanted; a new one goes to the worker with
the fewest streams; `epoch` grows at every placement and every restart of the worker, so that an
egress worker can tell old messages from new.
"""

import time
from collections.abc import Iterable

from media_streamer.wire.control import Place


class Directory:
    """Stream name -> Place."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._by_worker: dict[str, set[str]] = {}
        self._former: dict[str, str] = {}
        self._epoch = int(time.time())  # above that of a supervisor that was killed
        self._dirty: dict[str, Place | None] = {}

    def __len__(self) -> int:
        return len(self._places)

    def get(self, name: str) -> Place | None:
        return self._places.get(name)

    def streams_of(self, worker: str) -> set[str]:
        return set(self._by_worker.get(worker, ()))

    def place(self, name: str, workers: Iterable[str]) -> Place:
        """Keep the stream where it is if that is one of `workers`, else give it the emptiest."""
        allowed = sorted(workers)
        if not allowed:
            raise ValueError("no worker to place a stream on")
        old = self._places.get(name)
        if old is not None and old.worker in allowed:
            return old
        former = self._former.pop(name, None)
        if former in allowed:
            return self._put(name, former)
        worker = min(allowed, key=lambda one: (len(self._by_worker.get(one, ())), one))
        return self._put(name, worker)

    def remember(self, names: Iterable[str], worker: str) -> None:
        """A worker that was taken over runs these: that is their place once they are placed."""
        self._former.update(dict.fromkeys(names, worker))

    def drop(self, name: str) -> Place | None:
        """The stream runs nowhere; returns where it ran."""
        old = self._places.pop(name, None)
        if old is not None:
            self._by_worker[old.worker].discard(name)
            self._dirty[name] = None
        return old

    def renew(self, worker: str) -> None:
        """The worker was started anew: its streams get a new epoch."""
        for name in self.streams_of(worker):
            self._put(name, worker)

    def whole(self) -> dict[str, Place]:
        """All streams that run."""
        return dict(self._places)

    def take_changes(self) -> dict[str, Place | None]:
        """What changed since the last call, None = gone."""
        changes, self._dirty = self._dirty, {}
        return changes

    def _put(self, name: str, worker: str) -> Place:
        old = self._places.get(name)
        if old is not None:
            self._by_worker[old.worker].discard(name)
        self._epoch += 1
        place = self._places[name] = Place(worker, self._epoch)
        self._by_worker.setdefault(worker, set()).add(name)
        self._dirty[name] = place
        return place
