"""What is recorded of a stream: asked of the streamer that runs it, and told as it answers.

Exports are known to the streamer that makes them, so the lists of them name their stream.
"""

from aiohttp import web
from media_api.dvr import DvrExportJob, DvrRange, DvrRangeRequest
from media_rest.errors import ApiError, not_found
from media_rest.route import Route

from media_central.rest.answers import json_answer, object_body
from media_central.rest.asking import answered, client_of
from media_central.streamers.client import StreamerClient, stream_path


async def list_ranges(request: web.Request) -> web.StreamResponse:
    """Parts without a gap, oldest first."""
    return await _read(request, "/dvr/ranges")


async def list_locks(request: web.Request) -> web.StreamResponse:
    """What is kept from deletion."""
    return await _read(request, "/dvr/locks")


async def add_lock(request: web.Request) -> web.StreamResponse:
    """Keep a range from deletion."""
    client, path, body = _client(request), _path(request), await object_body(request)
    await answered(client.post(f"{path}/dvr/locks", body))
    return web.Response(status=204)


async def remove_lock(request: web.Request) -> web.StreamResponse:
    """Keep a range no longer."""
    client, path, body = _client(request), _path(request), await object_body(request)
    await answered(client.delete(f"{path}/dvr/locks", body))
    return web.Response(status=204)


async def remove_range(request: web.Request) -> web.StreamResponse:
    """Delete a part of what is recorded."""
    client, path, body = _client(request), _path(request), await object_body(request)
    await answered(client.delete(f"{path}/dvr/ranges", body))
    return web.Response(status=204)


async def order_export(request: web.Request) -> web.StreamResponse:
    """Make a film; `from` and `duration` stand in the query or in the body."""
    client, path = _client(request), _path(request)
    given = await object_body(request) if request.can_read_body else {}
    body = {**given, **request.query}
    return json_answer(await answered(client.post(f"{path}/dvr/export", body)))


async def list_exports(request: web.Request) -> web.StreamResponse:
    """Films of one stream."""
    client = _client(request, of_query=True)
    return json_answer(await answered(client.get("/dvr_export_jobs", **dict(request.query))))


async def remove_export(request: web.Request) -> web.StreamResponse:
    """Cancel a film, or delete it."""
    client = _client(request, of_query=True)
    name = request.match_info["name"]
    if not name.isalnum() or not name.isascii():
        raise not_found("export", name)
    await answered(client.delete(f"/dvr_export_jobs/{name}"))
    return web.Response(status=204)


async def _read(request: web.Request, suffix: str) -> web.StreamResponse:
    client = _client(request)
    return json_answer(await answered(client.get(_path(request) + suffix, **dict(request.query))))


def _path(request: web.Request) -> str:
    return stream_path(request.match_info["name"])


def _client(request: web.Request, *, of_query: bool = False) -> StreamerClient:
    """That of the streamer with the archive; raises ApiError."""
    name = request.query.get("stream", "") if of_query else request.match_info["name"]
    if not name:
        raise ApiError(400, "bad_request", "stream=NAME says which streamer is asked")
    return client_of(request, name)


_OF = {"stream": "name of the stream"}
_RANGES, _LOCKS = "/streams/{name}/dvr/ranges", "/streams/{name}/dvr/locks"
_EXPORT = "/streams/{name}/dvr/export"
ROUTES = (
    Route(
        "GET", _RANGES, list_ranges, "What is recorded", operation="stream_dvr_ranges_list",
        response=DvrRange, collection="ranges",
    ),
    Route(
        "DELETE", _RANGES, remove_range, "Delete a part of what is recorded",
        operation="stream_dvr_range_delete", request=DvrRangeRequest,
    ),
    Route(
        "GET", _LOCKS, list_locks, "What is kept from deletion",
        operation="stream_dvr_locks_list", response=DvrRange, collection="locks",
    ),
    Route(
        "POST", _LOCKS, add_lock, "Lock a range", operation="stream_dvr_lock_add",
        request=DvrRangeRequest,
    ),
    Route(
        "DELETE", _LOCKS, remove_lock, "Unlock a range", operation="stream_dvr_lock_delete",
        request=DvrRangeRequest,
    ),
    Route(
        "POST", _EXPORT, order_export, "Make a film of a part of the archive",
        operation="stream_dvr_export", request=DvrRangeRequest, response=DvrExportJob,
    ),
    Route(
        "GET", "/dvr_export_jobs", list_exports, "Films of a stream",
        operation="dvr_export_jobs_list", response=DvrExportJob, collection="dvr_export_jobs",
        query=_OF,
    ),
    Route(
        "DELETE", "/dvr_export_jobs/{name}", remove_export, "Cancel a film, or delete it",
        operation="dvr_export_job_delete", query=_OF,
    ),
)  # fmt: skip
