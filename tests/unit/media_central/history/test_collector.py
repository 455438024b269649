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
    return link(observed)


def link(observed, *, delivers=False, error=None):
    return SimpleNamespace(
        hostname="s1",
        online=observed is not None,
        observed=observed,
        error=error,
        delivers_events=delivers,
    )


def collector():
    recorder = Recorder()
    return Collector(None, recorder), recorder


def test_what_is_told_of_a_stream_goes_by_its_name():
    recorder = Recorder()
    hide = {"a": {"reason": "hidden"}}
    collected = Collector(None, recorder, lambda name, body: hide.get(name, body))
    for status in ("waiting", "error"):
        stats = {"status": status, "source_error": "rtmp://h/app/KEY: refused"}
        collected.observe(poll(a=stats, b=stats))
    lost = [(name, body["reason"]) for name, event, body in recorder.events if "lost" in event]
    assert sorted(lost) == [("a", "hidden"), ("b", "rtmp://h/app/KEY: refused")]


def test_transitions_become_events_and_repeated_states_do_not():
    collected, recorder = collector()
    collected.observe(poll(a={"status": "waiting"}))
    collected.observe(poll(a={"status": "running"}))
    collected.observe(poll(a={"status": "running"}))
    collected.observe(poll(a={"status": "error", "source_error": "refused"}))
    collected.observe(poll())
    assert recorder.events == [
        (None, "presence_connected", {}),
        ("a", "stream_opened", {"status": "waiting"}),
        ("a", "source_started", {"status": "running"}),
        ("a", "source_lost", {"status": "error", "reason": "refused"}),
        ("a", "stream_closed", {}),
    ]


def test_a_streamer_that_falls_silent_closes_no_streams():
    collected, recorder = collector()
    collected.observe(poll(a={"status": "running"}))
    collected.observe(link(None, error="no answer"))
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
    rows = dict(recorder.rows)
    assert rows["stream_sample"][1:] == (
        "a", "s1", "running", 1000, 2.0, 3, 0, 100 + 150 + 40, 0.0,
    )  # fmt: skip
    collected.write_samples()
    assert len(recorder.rows) == 2


def test_a_streamer_is_sampled_over_the_polls_that_it_answered():
    collected, recorder = collector()
    for stats in ({"cpu_usage": 10, "total_clients": 5}, {"cpu_usage": 30, "total_clients": 1}):
        collected.observe(link(Observation(stats, {})))
    for _ in range(2):
        collected.observe(link(None))
    collected.write_samples()
    [(table, row)] = recorder.rows
    assert table == "streamer_sample"
    # online, cpu, memory, streams, clients, clients_max, input_kbit, output_kbit
    assert row[1:] == ("s1", 0.5, 20.0, 0.0, 0.0, 3.0, 5, 0.0, 0.0)


def test_nothing_is_guessed_of_a_streamer_that_tells_by_itself():
    collected, recorder = collector()
    for status in ("running", "error"):
        observed = Observation({}, {"a": {"stats": {"status": status, "alive": True}}})
        collected.observe(link(observed, delivers=True))
    collected.observe(link(Observation({}, {}), delivers=True))
    assert [event for _, event, _ in recorder.events] == ["presence_connected"]
    collected.write_samples()
    assert dict(recorder.rows)["stream_sample"][-1] == 1.0


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
