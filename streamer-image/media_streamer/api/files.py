"""`/vods/{prefix}/storages/{index}/files`: the files of a location, and those that are played."""

from collections.abc import AsyncIterator

from aiohttp import web
from media_api.vod import VodConfig, VodFile
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query

from media_streamer.api.answers import JsonObject, json_answer, no_content
from media_streamer.api.route import LIMIT, Route, server_of
from media_streamer.files.folders import Item, Refused

READ_BYTES = 1024 * 1024
_CODES = {
    400: "bad_request", 404: "not_found", 408: "timeout", 409: "conflict", 413: "too_large",
    501: "not_implemented", 503: "unavailable", 507: "no_room",
}  # fmt: skip


async def list_files(request: web.Request) -> web.Response:
    """Files and folders of one folder; `folder` says which, the storage itself by default."""
    vod, storage = _place(request)
    words = [(key, value) for key, value in request.query.items() if key != "folder"]
    query = parse_query(words, VodFile)
    try:
        found = await server_of(request).files.list(vod, storage, request.query.get("folder", ""))
    except Refused as error:
        raise _refusal(error) from None
    opened = _opened(request)
    rows = [_row(vod, storage, item, opened) for item in found]
    return json_answer(run_query(rows, query, "files", "name"))


async def get_file(request: web.Request) -> web.Response:
    """One file or folder."""
    vod, storage = _place(request)
    try:
        found = await server_of(request).files.find(vod, storage, request.match_info["path"])
    except Refused as error:
        raise _refusal(error) from None
    return json_answer(_row(vod, storage, found, _opened(request)))


async def put_file(request: web.Request) -> web.Response:
    """The body is the content of the file, which is there when all of it is."""
    vod, storage = _place(request)
    if "Content-Range" in request.headers:  # RFC 9110 14.4: else a part would become the film
        raise ApiError(400, "bad_request", "uploads are not resumed: send the whole file")
    if request.content_type.startswith("multipart/"):
        title = "the body is the file itself, no form: curl -T FILE"
        raise ApiError(415, "unsupported_media_type", title)
    request[LIMIT].reschedule(None)  # as long as bytes come
    path, size = request.match_info["path"], request.content_length
    try:
        made = await server_of(request).files.put(vod, storage, path, size, _body(request))
    except Refused as error:
        raise _refusal(error) from None
    return json_answer(_row(vod, storage, made, _opened(request)))


async def delete_file(request: web.Request) -> web.Response:
    """A file, or a folder that is empty."""
    vod, storage = _place(request)
    try:
        await server_of(request).files.delete(vod, storage, request.match_info["path"])
    except Refused as error:
        raise _refusal(error) from None
    return no_content()


async def list_opened(request: web.Request) -> web.Response:
    """Files that are played now."""
    server = server_of(request)
    query = parse_query(request.query.items(), VodFile)
    found: dict[str, JsonObject] = {}
    for session in server.sessions:
        if session.location:
            subpath = session.name.removeprefix(f"{session.location}/")
            found[session.name] = {
                "name": session.name,
                "prefix": session.location,
                "folder": subpath.rpartition("/")[0],
                "subpath": subpath,
                "is_directory": False,
                "opened": True,
            }
    return json_answer(run_query(list(found.values()), query, "files", "name"))


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    async for data in request.content.iter_chunked(READ_BYTES):
        yield data


def _place(request: web.Request) -> tuple[VodConfig, int]:
    name, index = request.match_info["name"], request.match_info["index"]
    vods = server_of(request).configuration.current.vods
    vod = next((one for one in vods if one.prefix == name), None)
    if vod is None:
        raise not_found("vod", name)
    if not index.isdecimal() or len(index) > 4:
        raise ApiError(404, "not_found", "storages are counted from 0")
    return vod, int(index)


def _opened(request: web.Request) -> set[str]:
    return {session.name for session in server_of(request).sessions if session.location}


def _row(vod: VodConfig, storage: int, item: Item, opened: set[str]) -> JsonObject:
    name = f"{vod.prefix}/{item.path}"
    row: JsonObject = {
        "name": name,
        "prefix": vod.prefix,
        "url": f"{vod.storages[storage].url.rstrip('/')}/{item.path}",
        "folder": item.path.rpartition("/")[0],
        "subpath": item.path,
        "is_directory": item.is_folder,
        "is_multibitrate_directory": item.is_set and vod.auto_mbr,
        "opened": name in opened,
    }
    return row if item.is_folder else row | {"bytes": item.size}


def _refusal(error: Refused) -> ApiError:
    return ApiError(error.status, _CODES[error.status], str(error))


_FILES = "/vods/{name}/storages/{index}/files"

ROUTES = (
    Route(
        "GET",
        "/vods/opened_files",
        list_opened,
        "Files that are played now",
        response=VodFile,
        collection="files",
    ),
    Route(
        "GET",
        _FILES,
        list_files,
        "Files of a location",
        response=VodFile,
        collection="files",
        query={"folder": "Folder in the storage; the storage itself by default"},
    ),
    Route("GET", _FILES + "/{path}", get_file, "A file of a location", response=VodFile),
    Route("PUT", _FILES + "/{path}", put_file, "Upload a file: its bytes are the body"),
    Route("DELETE", _FILES + "/{path}", delete_file, "Delete a file or an empty folder"),
)
