"""Which media workers there are, and which of them may write and read below which folders. Pure.

Role: a media worker confines itself when it begins and cannot be let to more later. A stream that
is to be recorded in a folder, or shows files of one, that is new to all of them gets a worker that
begins now and knows it; nobody else notices. Such a worker stays as long as it has streams; one
that reads stays, for what is played of files and archives is no stream.

Invariants: a worker that has not said yet what it knows was, or will be, told of all there is; no
second worker is begun for a folder that the one begun for it cannot know (what is wrong with it
says who records there).
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from media_streamer.supervisor.settings import QUARANTINE_ID

MAX_MORE = 4
"""Workers beyond those that were asked for; then one of these is begun anew."""
REST_SECONDS = 60.0
"""Such a worker ends when it has had no stream for so long: archives are played there, too."""


class Needs(NamedTuple):
    """Folders that a worker must be let use for a stream, or for what is played without one."""

    written: frozenset[Path] = frozenset()
    read: frozenset[Path] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.written or self.read)


class Cages:
    """Lives on the supervisor's loop; times are monotonic seconds."""

    def __init__(self, regular: Sequence[str]) -> None:
        self._regular = list(regular)
        self._more: dict[str, float] = {}
        """Since when each has had no stream."""
        self._known: dict[str, Needs] = {}
        """What those know that have said so."""
        self._lasting: set[str] = set()
        """Those of `_more` that were begun to read."""
        self._begun: dict[str, frozenset[Path]] = {}
        """What those were begun for that have not said hello since."""
        self._hopeless: set[Path] = set()

    @property
    def workers(self) -> list[str]:
        """All that streams are placed on."""
        return [*self._regular, *self._more]

    @property
    def full(self) -> bool:
        """Whether no other worker may begin."""
        return len(self._more) >= MAX_MORE

    def said(self, worker: str, written: Iterable[str], read: Iterable[str], now: float) -> None:
        """A worker of these has said what it knows; it may be of an earlier supervisor."""
        known = self._known[worker] = Needs(
            frozenset(map(Path, written)), frozenset(map(Path, read))
        )
        self._hopeless |= self._begun.pop(worker, frozenset())
        self._hopeless -= known.written | known.read
        if worker not in self._regular and worker != QUARANTINE_ID:
            self._more.setdefault(worker, now)

    def replaced(self, folders: Collection[Path]) -> None:
        """Something else lies there now: no worker of those that have begun may use it."""
        for worker, known in self._known.items():
            self._known[worker] = Needs(known.written - {*folders}, known.read - {*folders})

    def died(self, worker: str) -> None:
        """Its successor will know all there is."""
        self._known.pop(worker, None)

    def may(self, worker: str, wanted: Needs) -> bool:
        """Whether a worker may write and read there, as far as anybody knows."""
        known = self._known.get(worker)
        if known is None:
            return True
        readable = known.written | known.read
        return known.written.issuperset(wanted.written - self._hopeless) and all(
            readable.intersection((path, *path.parents)) for path in wanted.read - self._hopeless
        )

    def fitting(self, wanted: Needs) -> list[str]:
        """Those of `workers` that may."""
        return [worker for worker in self.workers if self.may(worker, wanted)]

    def begin(self, wanted: Needs, now: float) -> str:
        """The name of a worker to begin, or to begin anew, for these folders."""
        if self.full:
            worker = min(self._more, key=self._more.__getitem__)
        else:
            used = set(self.workers)
            worker = next(name for name in map(str, range(len(used) + 1)) if name not in used)
        self._more[worker] = now
        self._begun[worker] = wanted.written | wanted.read
        if not all(wanted.written.intersection((one, *one.parents)) for one in wanted.read):
            self._lasting.add(worker)
        self._known.pop(worker, None)
        return worker

    def resting(self, busy: Collection[str], now: float) -> list[str]:
        """Those beyond the regular ones that end now; `busy` have streams."""
        for worker in self._more:
            if worker in busy or worker in self._lasting:
                self._more[worker] = now
        ended = [one for one, since in self._more.items() if now - since > REST_SECONDS]
        for worker in ended:
            del self._more[worker]
            self._known.pop(worker, None)
        return ended
