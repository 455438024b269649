"""Jobs of a worker: begun, tried again, given up, changed and ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from media_streamer.egress import jobs as module
from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, JobRunner, Work, find
from media_streamer.wire.control import Job, JobReport, JobsReport

EGRESS = cast(Egress, None)


def job(job_id: str = "1", **changes: Any) -> Job:
    values: dict[str, Any] = {
        "id": job_id,
        "stream": "live",
        "protocol": "rtmp",
        "part": "push",
        "title": "push to somewhere",
        "config": b"{}",
        "pause_seconds": 0.001,
        "max_pause_seconds": 0.002,
    }
    return Job(**{**values, **changes})


class Bench:
    """A runner whose jobs do what the test says."""

    def __init__(self, run: Callable[[Work], Awaitable[None]]) -> None:
        self.told: dict[str, JobReport] = {}
        self.runner = JobRunner(EGRESS, self._take, lambda _: lambda _, work: run(work))

    def _take(self, told: JobsReport) -> None:
        self.told.update(told.jobs)

    async def until(self, condition: Callable[[dict[str, JobReport]], bool]) -> None:
        async with asyncio.timeout(30):
            while True:
                self.runner.tell()
                if condition(self.told):
                    return
                await asyncio.sleep(0.001)


async def test_a_job_that_fails_is_tried_again_until_its_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts = 0

    async def run(work: Work) -> None:
        nonlocal attempts
        attempts += 1
        work.begins()
        raise JobFailed("nobody there", "errors_no_destination")

    bench = Bench(run)
    bench.runner.change({"1": job(retry_limit=3)})
    await bench.until(lambda told: "1" in told and told["1"].status == "error")
    assert attempts == 4
    report = bench.told["1"]
    assert (report.error, report.retries, report.restarts) == ("nobody there", 3, 3)
    assert report.counters == {"errors_no_destination": 4}
    said = [record.getMessage() for record in caplog.records if "nobody" in record.getMessage()]
    assert len(said) == 2  # the reason once, and that it was given up
    await bench.runner.close()


async def test_what_is_hopeless_is_not_tried_again() -> None:
    async def run(work: Work) -> None:
        raise JobFailed("no such URL", hopeless=True)

    bench = Bench(run)
    bench.runner.change({"1": job()})
    await bench.until(lambda told: "1" in told and told["1"].status == "error")
    assert bench.told["1"].restarts == 0
    await bench.runner.close()


async def test_a_job_that_breaks_says_so_and_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run(work: Work) -> None:
        if work.job.id == "bad":
            raise ZeroDivisionError
        work.works()
        await asyncio.Event().wait()

    bench = Bench(run)
    bench.runner.set([job("bad", retry_limit=0), job("good")])
    await bench.until(lambda told: told.keys() == {"bad", "good"} and told["bad"].error != "")
    assert bench.told["bad"].error == "internal error: ZeroDivisionError"
    await bench.until(lambda told: told["good"].status == "running")
    assert any(record.exc_info for record in caplog.records)
    await bench.runner.close()


async def test_a_steady_job_begins_anew_without_its_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STEADY_SECONDS", 0.0)
    attempts = 0

    async def run(work: Work) -> None:
        nonlocal attempts
        attempts += 1
        work.works()
        raise JobFailed("lost")

    bench = Bench(run)
    bench.runner.change({"1": job(retry_limit=1)})
    await bench.until(lambda _: attempts > 5)  # the limit is of failures in a row
    assert bench.told["1"].status != "error"
    await bench.runner.close()


async def test_a_changed_job_ends_before_it_begins_anew() -> None:
    open_now: list[bytes] = []
    most = 0

    async def run(work: Work) -> None:
        nonlocal most
        open_now.append(work.job.config)
        most = max(most, len(open_now))
        work.works()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            open_now.remove(work.job.config)

    bench = Bench(run)
    bench.runner.set([job(), job("2")])
    await bench.until(lambda _: len(open_now) == 2)
    bench.runner.change({"1": job(config=b"new"), "2": job("2")})
    await bench.until(lambda _: b"new" in open_now)
    assert most == 2
    bench.runner.change({"1": None})
    await bench.until(lambda _: open_now == [b"{}"])
    bench.runner.set([])
    await bench.runner.close()
    assert open_now == []


async def test_all_is_reported_to_whoever_tells_all() -> None:
    async def run(work: Work) -> None:
        work.works()
        await asyncio.Event().wait()

    bench = Bench(run)
    bench.runner.set([job()])
    await bench.until(lambda told: "1" in told and told["1"].status == "running")
    bench.told.clear()
    bench.runner.tell()
    assert bench.told == {}  # nothing changed
    bench.runner.set([job()])
    bench.runner.tell()
    assert bench.told["1"].restarts == 0  # it went on, and is known again
    await bench.runner.close()


def test_only_what_is_served_is_done() -> None:
    assert find(job()).__module__ == "media_streamer.protocols.rtmp.push"
    for protocol in ("ndi", "nonsense"):
        with pytest.raises(JobFailed) as failed:
            find(job(protocol=protocol))
        assert failed.value.hopeless
