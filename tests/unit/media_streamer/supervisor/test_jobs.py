"""Placement of jobs on egress workers."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.supervisor.control import Connection
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.wire.control import Job, JobReport, Jobs, JobsChanged, JobsReport


def job(job_id: str, config: bytes = b"{}") -> Job:
    return Job(job_id, "live", "rtmp", "push", "a push", config, 5, 30)


class Notes:
    """What a listener is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, str | None]] = []

    def reported(self, one: Job, before: JobReport | None, now: JobReport | None) -> None:
        self.told.append((one.id, before and before.status, now and now.status))


class Worker:
    """Notes what it is told, and keeps the jobs that it would do."""

    def __init__(self, worker_id: str) -> None:
        self.jobs: dict[str, Job] = {}
        self.heard: list[Any] = []
        self.report: Any = None
        self.connection = Connection("egress", worker_id, 1, cast(Any, self))

    def take(self, kind: type, take: Any) -> None:
        assert kind is JobsReport
        self.report = take

    def notify(self, notice: Jobs | JobsChanged) -> None:
        self.heard.append(notice)
        if isinstance(notice, Jobs):
            self.jobs = {one.id: one for one in notice.jobs}
            return
        for job_id, one in notice.jobs.items():
            self.jobs.pop(job_id, None)
            if one is not None:
                self.jobs[job_id] = one


def test_jobs_are_spread_before_the_workers_are_there() -> None:
    placement = JobPlacement("01", Notes())
    placement.wish("live", [job(str(n)) for n in range(6)])
    workers = [Worker("0"), Worker("1")]
    for worker in workers:
        placement.connected(worker.connection)
    assert [len(worker.jobs) for worker in workers] == [3, 3]


def test_only_differences_are_told() -> None:
    placement, worker = JobPlacement("0", Notes()), Worker("0")
    placement.connected(worker.connection)
    placement.wish("live", [job("a"), job("b")])
    del worker.heard[:]
    placement.wish("live", [job("a"), job("b")])
    assert worker.heard == []
    placement.wish("live", [job("a"), job("b", b"new")])
    assert worker.heard == [JobsChanged({"b": job("b", b"new")})]
    placement.wish("live", [job("b", b"new")])
    placement.wish("live", [])
    assert worker.jobs == {}


def test_jobs_of_a_dead_worker_go_to_another_one_and_stay_there() -> None:
    placement = JobPlacement("01", Notes())
    placement.wish("live", [job(str(n)) for n in range(4)])
    first, second = Worker("0"), Worker("1")
    placement.connected(first.connection)
    placement.connected(second.connection)
    placement.disconnected(first.connection)
    placement.worker_died("0")
    assert len(second.jobs) == 4
    again = Worker("0")
    placement.connected(again.connection)
    assert again.jobs == {}  # a move would break what they do
    placement.wish("other", [job("new")])
    assert list(again.jobs) == ["new"]  # the emptiest


def test_jobs_wait_for_the_only_worker() -> None:
    placement, worker = JobPlacement("0", Notes()), Worker("0")
    placement.connected(worker.connection)
    placement.disconnected(worker.connection)
    placement.worker_died("0")
    placement.wish("live", [job("a")])
    again = Worker("0")
    placement.connected(again.connection)
    assert list(again.jobs) == ["a"]


def test_reports_are_those_of_the_worker_that_does_the_job() -> None:
    notes = Notes()
    placement = JobPlacement("01", notes)
    first, second = Worker("0"), Worker("1")
    placement.connected(first.connection)
    placement.connected(second.connection)
    placement.wish("live", [job("a")])
    doing, idle = (first, second) if first.jobs else (second, first)
    report = JobReport("running", 1, 1)
    idle.report(JobsReport({"a": report, "unknown": report}))
    assert placement.of_stream("live") == {}
    doing.report(JobsReport({"a": report}))
    assert placement.of_stream("live") == {"a": report}
    placement.wish("live", [])
    assert notes.told == [("a", None, "running"), ("a", "running", None)]
    assert placement.of_stream("live") == {}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wish"), st.sampled_from("xyz"), st.integers(0, 5)),
            st.tuples(st.just("die"), st.sampled_from("012"), st.just(0)),
            st.tuples(st.just("come"), st.sampled_from("012"), st.just(0)),
        ),
        max_size=30,
    )
)
def test_each_job_is_done_by_one_worker(steps: list[tuple[str, str, int]]) -> None:
    """Whatever comes and goes: with all workers there, each job is done once."""
    placement = JobPlacement("012", Notes())
    alive: dict[str, Worker] = {}
    wanted: dict[str, set[str]] = {}

    def come(worker_id: str) -> None:
        if worker_id not in alive:
            alive[worker_id] = Worker(worker_id)
            placement.connected(alive[worker_id].connection)

    for what, name, count in steps:
        if what == "wish":
            wanted[name] = {f"{name}{n}" for n in range(count)}
            placement.wish(name, [job(one) for one in sorted(wanted[name])])
        elif what == "come":
            come(name)
        elif name in alive:
            placement.disconnected(alive.pop(name).connection)
            placement.worker_died(name)
    for worker_id in "012":
        come(worker_id)
    done = sorted(one for worker in alive.values() for one in worker.jobs)
    assert done == sorted(one for names in wanted.values() for one in names)


def test_jobs_stay_where_a_worker_does_them_already() -> None:
    placement = JobPlacement("01", Notes())
    placement.remember(["a", "b", "gone"], "1")
    placement.remember(["c"], "7")  # there is no such worker any more
    placement.wish("live", [job("a"), job("b"), job("c")])
    workers = {one: Worker(one) for one in "01"}
    for worker in workers.values():
        placement.connected(worker.connection)
    assert list(workers["1"].jobs) == ["a", "b"]
    assert list(workers["0"].jobs) == ["c"]
