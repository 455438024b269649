"""The glue around the planner; the planner's own rules are tested beside it."""

from dataclasses import replace

from media_central.placement import HISTORY_LENGTH, Concerns, demand, next_layout
from media_central.store.port import Kind, Record
from media_operator.planner import ChangeReason, Decision

RECORD = Record(Kind.STREAM, "a", {"name": "a"}, None, 1, 1000, 1000)


def decide(streamer, previous=None, reason=ChangeReason.NEW, message=""):
    return Decision("a", streamer, previous, reason, message)


def test_a_first_placement():
    assert next_layout(RECORD, decide("s1"), 5) == {
        "ingest": "s1",
        "created_at": 5,
        "originator": "layouter",
        "change_reason": "not_distributed",
    }


def test_failover_remembers_where_the_stream_came_from_until_it_is_back():
    layout = next_layout(RECORD, decide("s1"), 1)
    for number, (target, previous, origin) in enumerate(
        [("s2", "s1", "s1"), ("s3", "s2", "s1"), ("s1", "s3", None)]
    ):
        record = replace(RECORD, layout=layout)
        layout = next_layout(record, decide(target, previous, ChangeReason.OFFLINE), number + 2)
        assert layout.get("failover_from") == origin
    assert [item["ingest"] for item in layout["ingest_history"]] == ["s3", "s2", "s1"]


def test_the_history_is_bounded():
    layout = None
    for number in range(20):
        record = replace(RECORD, layout=layout)
        layout = next_layout(record, decide(f"s{number}", f"s{number - 1}"), number)
    assert len(layout["ingest_history"]) == HISTORY_LENGTH


def test_nothing_is_written_twice():
    nowhere = decide(None, None, ChangeReason.NEW, "no room")
    layout = next_layout(RECORD, nowhere, 1)
    assert layout["message"] == "no room"
    record = replace(RECORD, layout=layout)
    assert next_layout(record, nowhere, 2) is layout


def test_a_stream_that_waits_for_its_dead_streamer_says_so_and_stays():
    record = replace(RECORD, layout={"ingest": "s1", "created_at": 1})
    stay = decide("s1", "s1", ChangeReason.OFFLINE, "0/1 streamers available: 1 offline")
    layout = next_layout(record, stay, 9)
    assert layout == {
        "ingest": "s1",
        "created_at": 1,
        "message": "0/1 streamers available: 1 offline",
    }


def test_a_disabled_stream_has_no_layout():
    record = replace(RECORD, layout={"ingest": "s1"})
    assert next_layout(record, decide(None, "s1", ChangeReason.DISABLED), 9) is None


def test_the_preference_that_was_followed_is_kept():
    record = replace(RECORD, config={"name": "a", "preferred_streamer": "s2"})
    assert next_layout(record, decide("s2"), 1)["preferred"] == "s2"


def test_hardware_encoding_needs_a_gpu():
    config = {"name": "a", "transcoder": {"global": {"hw": "nvenc"}}}
    assert demand(replace(RECORD, config=config)).needs_gpu
    assert not demand(RECORD).needs_gpu


def test_a_changed_configuration_asks_for_something_else():
    assert not demand(RECORD).disabled
    assert demand(RECORD) is demand(replace(RECORD, layout={"ingest": "s1"}))
    assert demand(replace(RECORD, config={"name": "a", "disabled": True})).disabled
    assert not demand(RECORD).disabled


def test_only_what_placement_depends_on_is_a_reason_to_plan():
    concerns = Concerns()
    assert concerns.changed("a", RECORD), "new"

    def changed(config=None, layout=None):
        record = replace(RECORD, config={"name": "a", **(config or {})}, layout=layout)
        return concerns.changed("a", record)

    assert not changed({"title": "A"})
    assert not changed({"inputs": [{"url": "fake://fake"}]})
    for config in (
        {"streamer": "s1"},
        {"preferred_streamer": "s1"},
        {"disabled": True},
        {"gpu": True},
        {"claims": {"bitrate": 4000}},
        {"streamer_selector": {"zone": "a"}},
        {"dvr": {"root": "/dvr"}},
        {"dvr": {"root": "/dvr", "redundancy_factor": 2}},
    ):
        assert changed(config), config
        assert not changed(config), config
    assert changed({}, {"ingest": "s1"})
    assert not changed({"title": "B"}, {"ingest": "s1"})
    assert concerns.changed("a", None), "gone"
    assert concerns.changed("a", RECORD), "and back"
