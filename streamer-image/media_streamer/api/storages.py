"""`/dvrs/{name}/disks`: the disks of a storage, all or one, with what is known of them."""

from pathlib import Path

from aiohttp import web
from media_api.dvr import RaidDiskConfig
from media_rest.errors import not_found
from media_rest.query import parse_query, run_query

from media_streamer.api.answers import JsonObject, json_answer
from media_streamer.api.route import Route, server_of


def _rows(request: web.Request) -> list[JsonObject]:
    """As they are configured; `stats` once they have answered."""
    name, server = request.match_info["name"], server_of(request)
    storages = server.configuration.current.dvrs
    storage = next((one for one in storages if one.name == name), None)
    if storage is None:
        raise not_found("dvr", name)
    known = {row["path"]: row for row in server.archives.disks()}
    rows: list[JsonObject] = []
    for disk in storage.disks or ():
        row: JsonObject = {"path": disk.path, "mode": disk.mode}
        if stats := known.get(str(Path(storage.root.removeprefix("file://"), disk.path))):
            row["stats"] = stats
        rows.append(row)
    return rows


async def disks(request: web.Request) -> web.Response:
    query = parse_query(request.query.items(), RaidDiskConfig)
    return json_answer(run_query(_rows(request), query, "disks", "path"))


async def one_disk(request: web.Request) -> web.Response:
    path = request.match_info["path"]
    for row in _rows(request):
        if row["path"] in (path, f"/{path}"):
            return json_answer(row)
    raise not_found("disk", path)


ROUTES = (
    Route(
        "GET",
        "/dvrs/{name}/disks",
        disks,
        "Disks of a storage",
        response=RaidDiskConfig,
        collection="disks",
    ),
    Route(
        "GET",
        "/dvrs/{name}/disks/{path}",
        one_disk,
        "One disk of a storage",
        response=RaidDiskConfig,
    ),
)
