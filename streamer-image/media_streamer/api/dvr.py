"""`/streams/{name}/dvr/…`: what is recorded of a stream, and what of it is locked."""

from collections.abc import Awaitable, Iterable

from aiohttp import web
from media_api.dvr import DvrRange, DvrRangeRequest
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query
from pydantic import ValidationError

from media_streamer.api.answers import JsonObject, json_answer, json_body, no_content
from media_streamer.api.route import Route, server_of
from media_streamer.archive.locks import asked_range
from media_streamer.archive.ranges import Range
from media_streamer.supervisor.archive_errors import ArchiveError, ArchiveLocked, NotRecorded


async def list_ranges(request: web.Request) -> web.Response:
    """Parts without a gap, oldest first."""
    archives, name = server_of(request).archives, known_stream(request)
    return _collection(request, "ranges", await _read(archives.ranges(name)))


async def list_locks(request: web.Request) -> web.Response:
    archives, name = server_of(request).archives, known_stream(request)
    return _collection(request, "locks", await _read(archives.locks(name)))


async def _read(asking: Awaitable[list[Range]]) -> list[Range]:
    """Nothing of a stream without an archive."""
    try:
        return await asking
    except NotRecorded:
        return []
    except ArchiveError as error:
        raise refusal(error) from None


async def add_lock(request: web.Request) -> web.Response:
    """Keep a range from deletion."""
    name, wanted = known_stream(request), await _range(request)
    try:
        await server_of(request).archives.lock(name, wanted.from_, int(wanted.duration))
    except ArchiveError as error:
        raise refusal(error) from None
    return no_content()


async def remove_lock(request: web.Request) -> web.Response:
    """Keep a range no longer."""
    name, wanted = known_stream(request), await _range(request)
    try:
        await server_of(request).archives.unlock(name, wanted.from_, int(wanted.duration))
    except ArchiveError as error:
        raise refusal(error) from None
    return no_content()


async def delete_range(request: web.Request) -> web.Response:
    """Delete every segment that has something of a range; what is locked is in the way."""
    name, wanted = known_stream(request), await _range(request)
    try:
        await server_of(request).archives.erase(name, wanted.from_, int(wanted.duration))
    except ArchiveError as error:
        raise refusal(error) from None
    return no_content()


async def put_lock(request: web.Request) -> web.Response:
    """Not possible; else the path would be taken for the name of a stream."""
    raise ApiError(405, "method_not_allowed", f"{request.method} is not possible here")


async def put_range(request: web.Request) -> web.Response:
    """The same."""
    return await put_lock(request)


async def post_range(request: web.Request) -> web.Response:
    """The same."""
    return await put_lock(request)


def known_stream(request: web.Request) -> str:
    """The name in the path, if there is such a stream; raises ApiError 404."""
    name = request.match_info["name"]
    if server_of(request).streams.get(name) is None:
        raise not_found("stream", name)
    return name


async def _range(request: web.Request) -> DvrRangeRequest:
    return range_of(await json_body(request))


def range_of(body: object) -> DvrRangeRequest:
    """The range that a request asks for, which is not empty in whole seconds of what times there
    can be; raises ApiError 400."""
    try:
        wanted = DvrRangeRequest.model_validate(body)
        asked_range(wanted.from_, int(wanted.duration))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = [str(part) for part in first["loc"]]
        raise ApiError(400, "validation_error", first["msg"], path=path) from None
    except ValueError as error:
        raise ApiError(400, "validation_error", str(error), path=["duration"]) from None
    return wanted


def _collection(request: web.Request, key: str, found: Iterable[Range]) -> web.Response:
    query = parse_query(request.query.items(), DvrRange)
    rows: list[JsonObject] = [one.as_json() for one in found]
    return json_answer(run_query(rows, query, key, "from"))


def refusal(error: ArchiveError) -> ApiError:
    """The answer where an archive cannot do something."""
    if isinstance(error, ArchiveLocked):
        return ApiError(409, "locked", str(error))
    status = 503 if error.is_temporary else 404
    return ApiError(status, "archive_unavailable" if status == 503 else "no_archive", str(error))


ROUTES = (
    Route(
        "GET",
        "/streams/{name}/dvr/ranges",
        list_ranges,
        "What is recorded",
        response=DvrRange,
        collection="ranges",
    ),
    Route(
        "DELETE",
        "/streams/{name}/dvr/ranges",
        delete_range,
        "Delete a part",
        request=DvrRangeRequest,
    ),
    Route(
        "GET",
        "/streams/{name}/dvr/locks",
        list_locks,
        "What is kept from deletion",
        response=DvrRange,
        collection="locks",
    ),
    Route("POST", "/streams/{name}/dvr/locks", add_lock, "Lock a range", request=DvrRangeRequest),
    Route(
        "DELETE",
        "/streams/{name}/dvr/locks",
        remove_lock,
        "Unlock a range",
        request=DvrRangeRequest,
    ),
    Route("PUT", "/streams/{name}/dvr/locks", put_lock, "Not possible"),
    Route("PUT", "/streams/{name}/dvr/ranges", put_range, "Not possible"),
    Route("POST", "/streams/{name}/dvr/ranges", post_range, "Not possible"),
)
