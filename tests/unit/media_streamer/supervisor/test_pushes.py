"""Pushes of a configuration as jobs, and what is said of them."""

from media_api.push import PushConfig
from media_api.status import PushStats
from media_api.stream import StreamConfig
from media_streamer.supervisor.pushes import (
    push_event,
    push_id,
    push_jobs,
    push_stats,
    push_sum,
)
from media_streamer.wire.control import JobReport

KEYED = "rtmp://host/app/SECRET?sign=SECRET"


def stream(**values: object) -> StreamConfig:
    return StreamConfig.model_validate({"name": "live", **values})


def test_what_can_be_done_is_a_job_once() -> None:
    pushes = [
        {"url": KEYED, "retry_timeout": 7, "retry_limit": 2},
        {"url": KEYED},
        {"url": "udp://239.0.0.1:5000"},
        {"url": "tshttp://host/x", "disabled": True},
        {"url": "ndi://host"},
    ]
    first, second = push_jobs(stream(pushes=pushes))
    assert (first.protocol, first.id) == ("rtmp", push_id("live", PushConfig(url=KEYED)))
    assert second.protocol == "udp"
    assert (second.pause_seconds, second.max_pause_seconds, second.retry_limit) == (5, 30, None)
    assert "SECRET" not in first.title
    assert PushConfig.model_validate_json(second.config).url == "udp://239.0.0.1:5000"
    assert push_jobs(stream(pushes=pushes, disabled=True)) == []
    assert push_jobs(stream()) == []


def test_another_comment_is_the_same_job() -> None:
    """A job that changes is begun anew, which its receiver would see."""
    said = [push_jobs(stream(pushes=[{"url": KEYED, "comment": text}])) for text in ("a", "b")]
    assert said[0] == said[1] == push_jobs(stream(pushes=[{"url": KEYED}]))
    assert said[0] != push_jobs(stream(pushes=[{"url": KEYED, "timeout": 9}]))


def test_streams_of_one_srt_receiver_are_pushes_of_their_own() -> None:
    url = "srt://h:1"
    pushes = [{"url": url}, {"url": url, "streamid": "a"}, {"url": url, "streamid": "b"}]
    assert len({job.id for job in push_jobs(stream(pushes=pushes))}) == 3


def test_what_is_said_of_a_push_is_what_the_api_publishes() -> None:
    report = JobReport("retry", 1_700_000_000_000, 1, "refused", 2, 9, 77, {"errors_403": 3})
    reports = {push_id("live", PushConfig(url=KEYED)): report}
    stats = push_stats("live", PushConfig(url=KEYED), reports)
    assert stats is not None
    read = PushStats.model_validate(stats)
    assert (read.status, read.bytes, read.retries, read.errors_403) == ("retry", 77, 2, 3)
    assert read.error == "refused"
    assert "SECRET" not in str(stats)
    assert push_stats("live", PushConfig(url=KEYED, disabled=True), reports) is None
    assert push_stats("other", PushConfig(url=KEYED), reports) is None
    assert PushStats.model_validate(push_sum({"a": report, "b": report})).bytes == 154


def test_events_follow_the_state() -> None:
    job = push_jobs(stream(pushes=[{"url": KEYED}]))[0]
    states = [
        JobReport("pending", 1, 1),
        JobReport("starting", 1, 2),
        JobReport("running", 1, 3),
        JobReport("running", 1, 3, bytes=5),
        JobReport("retry", 1, 4, "lost"),
        JobReport("error", 1, 5, "lost"),
    ]
    told = [push_event(job, *pair) for pair in zip([None, *states], [*states, None], strict=True)]
    events = [one[0] if one else None for one in told]
    opened, started, closed, blocked = "push_opened", "push_started", "push_closed", "push_blocked"
    assert events == [opened, None, started, None, closed, blocked, None]
    assert "SECRET" not in str(told)
