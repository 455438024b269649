"""Which egress worker does which job, and how it goes.

Invariants: a job is done by one worker at a time. A new one goes to the worker with the fewest; it
moves only when its worker dies, since a move breaks what the job is doing. A worker that connects
is told all its jobs, later only changes.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from media_streamer.supervisor.control import Connection
from media_streamer.supervisor.rate import Rate
from media_streamer.wire.control import Job, JobReport, Jobs, JobsChanged, JobsReport


class JobListener(Protocol):
    """Hears of every report."""

    def reported(self, job: Job, before: JobReport | None, now: JobReport | None) -> None:
        """None: there is none (any more)."""


class JobPlacement:
    """`workers`: identifiers of all egress workers, whether they are there yet or not."""

    def __init__(self, workers: Iterable[str], listener: JobListener) -> None:
        self._listener = listener
        self._connections: dict[str, Connection | None] = dict.fromkeys(workers)
        self._dead: set[str] = set()
        self._jobs: dict[str, Job] = {}
        self._of_stream: dict[str, list[str]] = {}
        self._places: dict[str, str] = {}
        self._former: dict[str, str] = {}
        self._reports: dict[str, JobReport] = {}
        self.bytes_sent = 0
        """By all jobs, from their second report on."""
        self._rate = Rate()

    def wish(self, stream: str, jobs: Iterable[Job]) -> None:
        """These are all jobs of the stream from now on."""
        wanted = {job.id: job for job in jobs}
        changes: dict[str, Job | None] = {
            job_id: None for job_id in self._of_stream.get(stream, ()) if job_id not in wanted
        }
        changes |= {key: job for key, job in wanted.items() if self._jobs.get(key) != job}
        if wanted:
            self._of_stream[stream] = list(wanted)
        else:
            self._of_stream.pop(stream, None)
        told: dict[str, dict[str, Job | None]] = {}
        for job_id, job in changes.items():
            if job is None:
                worker = self._places.pop(job_id)
                self._report(self._jobs.pop(job_id), None)
            else:
                self._jobs[job_id] = job
                worker = self._places.get(job_id) or self._place(job_id)
            told.setdefault(worker, {})[job_id] = job
        self._tell(told)

    def of_stream(self, stream: str) -> Mapping[str, JobReport]:
        """What is known of the jobs of a stream, by identifier."""
        found = self._of_stream.get(stream, ())
        return {key: self._reports[key] for key in found if key in self._reports}

    def sample_rate(self, now: float) -> None:
        """Called each second: remember the counter for `rate_kbit`."""
        self._rate.sample(now, self.bytes_sent)

    def rate_kbit(self) -> int:
        """Output of all jobs in kbit/s, over the last seconds."""
        return self._rate.kbit

    # Workers

    def remember(self, jobs: Iterable[str], worker: str) -> None:
        """A worker that was taken over does these: it does them on, if they are still wished."""
        if worker in self._connections:
            self._former.update(dict.fromkeys(jobs, worker))

    def connected(self, connection: Connection) -> None:
        """A worker is there and does nothing yet."""
        self._connections[connection.id] = connection
        self._dead.discard(connection.id)
        connection.peer.take(JobsReport, lambda told: self._take(connection.id, told))
        connection.notify(Jobs([self._jobs[job_id] for job_id in self._jobs_of(connection.id)]))

    def disconnected(self, connection: Connection) -> None:
        if self._connections.get(connection.id) is connection:
            self._connections[connection.id] = None

    def worker_died(self, worker: str) -> None:
        """Its jobs go to the others; if there is none, they wait for it."""
        self._dead.add(worker)
        if self._dead >= self._connections.keys():
            return
        told: dict[str, dict[str, Job | None]] = {}
        for job_id in self._jobs_of(worker):
            told.setdefault(self._place(job_id), {})[job_id] = self._jobs[job_id]
        self._tell(told)

    def _take(self, worker: str, told: JobsReport) -> None:
        for job_id, report in told.jobs.items():
            if self._places.get(job_id) == worker:  # else it is late news of one that moved
                self._report(self._jobs[job_id], report)

    # Placing

    def _place(self, job_id: str) -> str:
        former = self._former.pop(job_id, None)
        if former is not None and former not in self._dead:
            self._places[job_id] = former
            return former
        load = dict.fromkeys(sorted(self._connections.keys() - self._dead), 0)
        if not load:
            load = dict.fromkeys(sorted(self._connections), 0)
        for worker in self._places.values():
            if worker in load:
                load[worker] += 1
        self._places[job_id] = chosen = min(load, key=load.__getitem__)
        return chosen

    def _jobs_of(self, worker: str) -> list[str]:
        return [job_id for job_id, place in self._places.items() if place == worker]

    def _tell(self, told: Mapping[str, dict[str, Job | None]]) -> None:
        for worker, changes in told.items():
            connection = self._connections[worker]
            if connection is not None:
                connection.notify(JobsChanged(changes))

    def _report(self, job: Job, report: JobReport | None) -> None:
        before = self._reports.pop(job.id, None)
        if report is not None:
            self._reports[job.id] = report
            # What the first one tells may be of long ago: its job was taken over.
            self.bytes_sent += max(0, report.bytes - before.bytes) if before is not None else 0
        self._listener.reported(job, before, report)
