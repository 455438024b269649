"""Pushes of a stream as jobs, and their reports as the API and the events say them. Pure."""

import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from media_api.protocols import push_protocol
from media_api.push import PushConfig
from media_api.stream import StreamConfig
from media_rest.redact import redact_push

from media_streamer.wire.control import Job, JobReport

JsonObject = dict[str, Any]

RETRY_SECONDS = 5.0
"""Between two attempts, if nothing is said."""
MAX_RETRY_SECONDS = 30.0
"""What that pause grows to; one that is said stays as it is."""


def push_id(stream: str, push: PushConfig) -> str:
    """The same for the same push, also after a restart.

    One receiver of SRT takes many streams, which their ids tell apart.
    """
    parts = (stream, push.url, push.streamid) if push.streamid else (stream, push.url)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\0".join(parts)))


def push_jobs(stream: StreamConfig) -> list[Job]:
    """What a stream asks for and can be done, each once."""
    if stream.disabled:
        return []
    jobs = {}
    for push in stream.pushes or ():
        protocol = push_protocol(push.scheme)
        if protocol is None or push.disabled:
            continue
        job_id = push_id(stream.name, push)
        jobs[job_id] = Job(
            id=job_id,
            stream=stream.name,
            protocol=protocol.name,
            part="push",
            title=f"push to {redact_push(push.url)}",
            # A note is nobody's business but its reader's: another one interrupts nothing.
            config=push.model_dump_json(
                exclude={"comment"}, exclude_unset=True, exclude_none=True
            ).encode(),
            pause_seconds=push.retry_timeout or RETRY_SECONDS,
            max_pause_seconds=push.retry_timeout or MAX_RETRY_SECONDS,
            retry_limit=push.retry_limit,
        )
    return list(jobs.values())


def push_stats(
    stream: str, push: PushConfig, reports: Mapping[str, JobReport]
) -> JsonObject | None:
    """`media_api.status.PushStats` of one push as JSON; None if nothing is known of it."""
    job_id = push_id(stream, push)
    report = reports.get(job_id)
    if report is None or push.disabled:
        return None
    stats: JsonObject = {
        "id": job_id,
        "url": redact_push(push.url),
        "status": report.status,
        "opened_at": report.opened_at,
        "bytes": report.bytes,
        "retries": report.retries,
        "pusher_restarts": report.restarts,
        **report.counters,
    }
    if report.standby:
        stats["standby_status"] = report.standby
    if report.error:
        stats["error"] = report.error
    return stats


def push_sum(reports: Mapping[str, JobReport]) -> JsonObject:
    """`stats.push`: the sum over all pushes."""
    total: Counter[str] = Counter()
    for report in reports.values():
        total.update(report.counters)
        total.update(bytes=report.bytes, retries=report.retries, pusher_restarts=report.restarts)
    return dict(total)


def push_event(
    job: Job, before: JobReport | None, now: JobReport | None
) -> tuple[str, JsonObject] | None:
    """The event that tells what became of a push, with its fields; None if nothing did."""
    push = msgspec.json.decode(job.config)
    fields: JsonObject = {
        "media": job.stream,
        "id": job.id,
        "type": "push",
        "proto": job.protocol,
        "url": redact_push(str(push["url"])),
    }
    was = before.status if before is not None else None
    is_now = now.status if now is not None else None
    if now is not None:
        fields |= {"bytes": now.bytes, "opened_at": now.opened_at}
    if was == is_now:
        return None
    if is_now == "running":
        return "push_started", fields
    if is_now == "error" and now is not None:
        return "push_blocked", {**fields, "reason": now.error}
    if was == "running":
        return "push_closed", {**fields, "reason": now.error if now is not None else "removed"}
    if was is None and now is not None:
        counts = {"retry_count": now.retries, "retry_limit": job.retry_limit}
        return "push_opened", {**fields, **counts}
    return None
