"""States of streams: what people see, in the order that wants attention."""

import pytest
from media_api.status import StreamState as Model
from media_rest.query import QueryError, parse_query, run_query
from media_rest.stream_states import StateQuery, StreamState, state_of, totals

STATES: dict[str, StreamState] = {
    "b": "running", "a": "disabled", "d": "problem", "c": "running", "e": "waiting",
}  # fmt: skip


def test_state_follows_from_the_figures() -> None:
    assert state_of(True, {"alive": True}) == "disabled"
    assert state_of(False, {"alive": True, "source_error": "old"}) == "running"
    assert state_of(False, {"status": "waiting", "source_error": "x"}) == "waiting"
    assert state_of(False, {"alive": False, "source_error": "refused"}) == "problem"
    assert state_of(False, {"status": "error"}) == "problem"
    assert state_of(False, {}) == "waiting"


def test_problems_come_first_and_are_counted() -> None:
    query = StateQuery({"order": "state", "include_totals": "true"})
    order = query.order(STATES)
    assert sorted(STATES, key=lambda name: order({"name": name})) == ["d", "e", "b", "c", "a"]
    assert totals(STATES) == {"all": 5, "problem": 1, "waiting": 1, "running": 2, "disabled": 1}
    assert query.needs_states


def test_nothing_is_asked_without_parameters() -> None:
    query = StateQuery({"q": "x"})
    assert not query.needs_states
    assert set(query.wanted) == set(STATES.values())


@pytest.mark.parametrize("asked", [{"state": "sleeping"}, {"order": "name"}])
def test_unknown_words_are_refused(asked: dict[str, str]) -> None:
    with pytest.raises(QueryError):
        StateQuery(asked)


def test_pages_follow_the_order() -> None:
    items = [{"name": name} for name in STATES]
    order = StateQuery({"order": "state"}).order(STATES)
    first = run_query(items, parse_query({"limit": "2"}, Model), "streams", order)
    again = parse_query({"limit": "2", "cursor": first["next"]}, Model)
    second = run_query(items, again, "streams", order)
    assert [row["name"] for row in first["streams"] + second["streams"]] == ["d", "e", "b", "c"]
