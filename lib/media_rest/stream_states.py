"""The state that people see a stream in, and lists by it: problems first, and how many there are.

Role: own parameters of the collection of streams, the same for a streamer and for Central:
`state=problem,waiting` leaves those, `order=state` puts problems first, `include_totals=true`
counts all streams by state. A state follows from a few figures, so that a list of 10,000 streams
is put in order without building 10,000 answers.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

from media_api.base import JsonObject

from media_rest.query import QueryError

StreamState = Literal["problem", "waiting", "running", "disabled"]
STATES: tuple[StreamState, ...] = get_args(StreamState)
"""In the order in which they want attention."""
PARAMETERS = ("state", "order", "include_totals")
QUERY = {
    "state": f"only these: {', '.join(STATES)}",
    "order": "state: problems first, then by name",
    "include_totals": "true: with `totals`, the number of streams by state",
}
_RANKS = {state: rank for rank, state in enumerate(STATES)}


def state_of(disabled: bool, stats: Mapping[str, Any]) -> StreamState:
    """`stats` as in the answer of a stream: alive, status, source_error."""
    if disabled:
        return "disabled"
    if stats.get("alive"):
        return "running"
    if stats.get("status") == "waiting":
        return "waiting"
    return "problem" if stats.get("source_error") or stats.get("status") == "error" else "waiting"


class StateQuery:
    """What a request asks by state. Raises QueryError for words that are none."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        words = [word for word in parameters.get("state", "").split(",") if word]
        if unknown := set(words) - set(STATES):
            raise QueryError(f"there is no state {min(unknown)!r}", "state")
        if parameters.get("order", "state") != "state":
            raise QueryError("order must be state; sort by fields with `sort`", "order")
        self.wanted: Collection[str] = frozenset(words) or STATES
        self.by_state = "order" in parameters
        self.with_totals = parameters.get("include_totals") in ("true", "1")

    @property
    def needs_states(self) -> bool:
        return self.by_state or self.with_totals or len(self.wanted) < len(STATES)

    def order(self, states: Mapping[str, StreamState]) -> Callable[[JsonObject], Any]:
        """Key of a stream by its name: problems first."""
        return lambda item: (_RANKS[states[item["name"]]], item["name"])


def totals(states: Mapping[str, StreamState]) -> JsonObject:
    """{"all": 3, "problem": 1, …}; `states` by the names of streams."""
    counted = Counter(states.values())
    return {"all": len(states), **{state: counted[state] for state in STATES}}
