"""Jobs, which one egress worker does for the whole server."""

from typing import Literal

import msgspec

from media_streamer.wire.control.values import Value
from media_streamer.wire.peer import Notice


class Job(Value, frozen=True):
    """Work for a stream that one egress worker does for the whole server: a push.

    Done by `run` of the part of the protocol that it names; see `egress/jobs.py`.
    """

    id: str
    """The same for the same work, also after a restart."""
    stream: str
    protocol: str
    """Name of its row in the table of protocols."""
    part: Literal["push"]
    title: str
    """For people, without secrets."""
    config: bytes
    """For that part alone: of a push, JSON of `PushConfig`."""
    pause_seconds: float
    """Between two attempts; it doubles up to `max_pause_seconds`."""
    max_pause_seconds: float
    retry_limit: int | None = None
    """Attempts in a row that may fail after the first; None: no limit."""


class Jobs(Notice, frozen=True):
    """All jobs of the worker: do these and no others."""

    jobs: list[Job]


class JobsChanged(Notice, frozen=True):
    """Jobs that came or are others now, by identifier; None: gone."""

    jobs: dict[str, Job | None]


class JobReport(Value, frozen=True):
    """How a job is."""

    status: Literal["pending", "starting", "running", "retry", "error"]
    """It waits for the stream, begins, works, failed and is tried again, was given up."""
    opened_at: int
    """Unix ms of its first attempt."""
    since: int
    """Unix ms at which `status` began."""
    error: str = ""
    """The last one, in words without secrets; it may be from before."""
    retries: int = 0
    """Attempts since it last worked."""
    restarts: int = 0
    """Attempts after the first, in all."""
    bytes: int = 0
    counters: dict[str, int] = msgspec.field(default_factory=dict)
    """Errors by kind, as `media_api.status.PushStats` calls them."""
    standby: Literal["", "active", "waiting"] = ""
    """Of one that works only while no other does."""


class JobsReport(Notice, frozen=True):
    """Jobs whose report changed, by identifier."""

    jobs: dict[str, JobReport]
