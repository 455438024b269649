"""`/streams/{name}/dvr/export` and `/dvr_export_jobs`: films made out of archives."""

from urllib.parse import quote

from aiohttp import web
from media_api.dvr import DvrExportJob, DvrRangeRequest
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query

from media_streamer.api.answers import JsonObject, json_answer, json_body, no_content
from media_streamer.api.dvr import known_stream, range_of, refusal
from media_streamer.api.route import Route, server_of
from media_streamer.archive.exports import ExportJob
from media_streamer.supervisor.archive_errors import ArchiveError

KNOWN = frozenset({"from", "duration"})
NOT_DONE = frozenset({"path", "meta", "packing", "timelapse"})
"""Parameters of the published API that ask for something else than is made here."""


async def order(request: web.Request) -> web.Response:
    """`from` and `duration` stand in the query or in the body; answers the job."""
    name = known_stream(request)
    given: JsonObject = {**await json_body(request), **request.query}
    if asked := sorted(NOT_DONE & given.keys()):
        words = f"{', '.join(asked)}: films lie in the folder of the archive, as they were recorded"
        raise ApiError(400, "not_implemented", words, path=asked[:1])
    wanted = range_of({k: given[k] for k in KNOWN & given.keys()})
    try:
        job = server_of(request).archives.export(name, wanted.from_, int(wanted.duration))
    except ArchiveError as error:
        raise refusal(error) from None
    return json_answer(as_json(job))


async def list_jobs(request: web.Request) -> web.Response:
    """All that are remembered, the oldest first."""
    query = parse_query(request.query.items(), DvrExportJob)
    rows = [as_json(job) for job in server_of(request).archives.export_jobs()]
    return json_answer(run_query(rows, query, "dvr_export_jobs", "name"))


async def show_job(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    for job in server_of(request).archives.export_jobs():
        if job.name == name:
            return json_answer(as_json(job))
    raise not_found("export", name)


async def remove_job(request: web.Request) -> web.Response:
    """Cancel it while it waits or runs; else delete the film."""
    name = request.match_info["name"]
    try:
        if not await server_of(request).archives.remove_export(name):
            raise not_found("export", name)
    except ArchiveError as error:
        raise refusal(error) from None
    return no_content()


def as_json(job: ExportJob) -> JsonObject:
    """`media_api.dvr.DvrExportJob`."""
    done = job.status == "done"
    told: JsonObject = {
        "name": job.name,
        "stream": job.stream,
        "from": job.from_ms // 1000,
        "duration": (job.to_ms - job.from_ms) // 1000,
        "status": job.status,
        "progress": 100 if done else min(99, job.bytes * 100 // job.size) if job.size else 0,
        "bytes": job.bytes,
        "size": job.size,
        "created_at": job.created_at,
    }
    more = {"started_at": job.started_at, "finished_at": job.finished_at, "error": job.error}
    told |= {key: value for key, value in more.items() if value}
    if done:
        told["url"] = f"/{quote(job.stream)}/export-{job.name}.mp4"
    return told


ROUTES = (
    Route(
        "POST",
        "/streams/{name}/dvr/export",
        order,
        "Make a film of a part of the archive",
        request=DvrRangeRequest,
        response=DvrExportJob,
    ),
    Route(
        "GET",
        "/dvr_export_jobs",
        list_jobs,
        "Films that are made, or were",
        response=DvrExportJob,
        collection="dvr_export_jobs",
    ),
    Route("GET", "/dvr_export_jobs/{name}", show_job, "One of them", response=DvrExportJob),
    Route("DELETE", "/dvr_export_jobs/{name}", remove_job, "Cancel it, or delete its film"),
)
