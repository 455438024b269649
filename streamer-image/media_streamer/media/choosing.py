"""Which inputs of a stream are to be opened, closed and shown: pure.

Rules (failover is judged by frames and disconnects alone):
- the best input is the one with the lowest rank; one is open at a time, plus at most one better one
  that is being probed, plus publishers, who connect when they like and are kept;
- a better input takes over at its key frame; one of equal rank is not probed.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """An input as the choice sees it."""

    rank: float
    """The lowest is the best."""
    is_publish: bool = False
    is_open: bool = False
    is_demoted: bool = False
    """It was shown and fell silent: it is kept, but no reason to wait."""
    may_open: bool = False
    """An attempt is due; never true of publishers."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be done, by the index of the candidate."""

    take_over: frozenset[int] = frozenset()
    """Open ones that may become the shown one at their next key frame; all others may not."""
    close: tuple[int, ...] = ()
    open: int | None = None


def keep_best(candidates: Sequence[Candidate], shown: int, *, may_probe: bool) -> Choice:
    """One is shown: drop what it made needless, probe what is better."""
    rank = candidates[shown].rank
    better = [i for i, one in enumerate(candidates) if one.rank < rank and i != shown]
    close = tuple(
        i
        for i, one in enumerate(candidates)
        if one.is_open and not one.is_publish and i != shown and i not in better
    )
    take_over = frozenset(i for i in better if candidates[i].is_open)
    probing = any(not candidates[i].is_publish for i in take_over)
    return Choice(
        take_over, close, _best(candidates, better) if may_probe and not probing else None
    )


def find_any(candidates: Sequence[Candidate]) -> Choice:
    """None is shown: let any open one take over, open the best that may be opened."""
    is_open = frozenset(i for i, one in enumerate(candidates) if one.is_open)
    connecting = any(not (candidates[i].is_publish or candidates[i].is_demoted) for i in is_open)
    return Choice(is_open, (), None if connecting else _best(candidates, range(len(candidates))))


def _best(candidates: Sequence[Candidate], among: Sequence[int]) -> int | None:
    due = [i for i in among if candidates[i].may_open]
    return min(due, key=lambda i: candidates[i].rank, default=None)
