import itertools
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from media_central.history.collector import Collector, growth
from media_central.streamers.link import Observation


class Recorder:
    """Takes what the collector would write."""

    def __init__(self):
        self.events = []
        self.rows = []

    def add_event(self, stream, streamer, event, detail=None):
        self.events.append((stream, event, detail or {}))

    def add(self, table, row):
        self.rows.append((table, row))


def poll(**streams):
    observed = Observation({}, {name: {"stats": stats} for name, stats in streams.items()})
    return SimpleNamespace(hostname="s1", online=True, observed=observed, error=None)


def collector():
    recorder = Recorder()
    return Collector(None, recorder), recorder


def test_transitions_become_events_and_repeated_states_do_not():
    collected, recorder = collector()
    collected.observe(poll(a={"status": "waiting"}))
    collected.observe(poll(a={"status": "running"}))
    collected.observe(poll(a={"status": "running"}))
    collected.observe(poll(a={"status": "error", "source_error": "refused"}))
    collected.observe(poll())
    assert recorder.events == [
        ("", "presence_connected", {}),
        ("a", "stream_opened", {"status": "waiting"}),
        ("a", "source_started", {"status": "running"}),
        ("a", "source_lost", {"status": "error", "reason": "refused"}),
        ("a", "stream_closed", {}),
    ]


def test_a_streamer_that_falls_silent_closes_no_streams():
    collected, recorder = collector()
    collected.observe(poll(a={"status": "running"}))
    away = SimpleNamespace(hostname="s1", online=False, observed=None, error="no answer")
    collected.observe(away)
    collected.observe(poll(a={"status": "running"}))
    assert [event for _, event, _ in recorder.events] == [
        "presence_connected", "stream_opened", "presence_disconnected", "presence_connected",
    ]  # fmt: skip


def test_samples_average_and_count_growth():
    collected, recorder = collector()
    for clients, bytes_out in ((1, 100), (3, 250), (2, 40)):
        collected.observe(
            poll(a={"status": "running", "bitrate": 1000, "online_clients": clients,
                    "bytes_out": bytes_out})
        )  # fmt: skip
    collected.write_samples()
    [(table, row)] = recorder.rows
    assert table == "stream_sample"
    assert row[1:] == ("a", "s1", "running", 1000, 2.0, 3, 0, 100 + 150 + 40)
    collected.write_samples()
    assert len(recorder.rows) == 1


def test_ended_sessions_are_written_once_with_their_last_counters():
    collected, recorder = collector()
    first = {"id": "1", "name": "a", "proto": "hls", "opened_at": 1_000_000, "bytes": 5}
    collected.observe_sessions("s1", [first])
    collected.observe_sessions("s1", [{**first, "bytes": 9}])
    collected.observe_sessions("s1", [])
    collected.observe_sessions("s1", [])
    [(table, row)] = recorder.rows
    assert table == "session"
    assert (row[1], row[3], row[9]) == ("1", "a", 9)


@given(st.lists(st.integers(0, 1000)))
def test_growth_is_never_negative_and_adds_up_without_resets(values):
    increasing = sorted(values)
    total = sum(
        growth(before, now) for before, now in zip([None, *increasing], increasing, strict=False)
    )
    assert total == (increasing[-1] if increasing else 0)
    assert all(growth(a, b) >= 0 for a, b in itertools.pairwise(values))
