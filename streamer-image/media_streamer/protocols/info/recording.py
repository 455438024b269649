"""`recording_status.json`: what of a stream is recorded and locked, for time lines."""

import json
from pathlib import Path

from aiohttp import web
from msgspec.structs import replace

from media_streamer.archive.library import Library, Where
from media_streamer.archive.locks import read_locks
from media_streamer.archive.places import HOUR_MS, MAX_MS
from media_streamer.archive.ranges import Range, within
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest, answer

REQUESTS = frozenset({"ranges", "locks"})


async def recording_status(egress: Egress, request: MediaRequest) -> web.StreamResponse:
    """The JSON document; raises AccessDenied like playing does. Who asks is no viewer."""
    access = await egress.hub.access(replace(request.access_request("api"), archive=True))
    asked = {word for word in request.query.get("request", "ranges").split(",") if word}
    if unknown := asked - REQUESTS:
        title = f"request has no {', '.join(sorted(unknown))[:80]}: {', '.join(sorted(REQUESTS))}"
        raise AccessDenied(400, "bad_request", title)
    limits = Range(_moment(request, "from", 0), _moment(request, "to", MAX_MS))
    folder, places = egress.archives.folder(access), egress.archives.places(access)

    def read() -> dict[str, object]:
        return status(egress.archives.library, places, folder, limits, asked)

    try:
        found = await egress.archives.run(access, read)
    except (OSError, ValueError) as error:
        raise AccessDenied(503, "archive_unavailable", "The archive cannot be read") from error
    body = json.dumps([{"stream": access.stream, **found}]).encode() + b"\n"
    return answer(body, "application/json", cache="no-cache")


def status(
    library: Library, where: Where, folder: Path, limits: Range, asked: set[str]
) -> dict[str, object]:
    """What is asked for of the time between `limits`; locks lie in `folder`. Blocks."""
    found: dict[str, object] = {}
    if "ranges" in asked:
        recorded = library.ranges(where, limits.from_ms - HOUR_MS, limits.to_ms)
        found["ranges"] = [_seconds(one) for one in within(recorded, limits)]
    if "locks" in asked:
        found["locks"] = [_seconds(one) for one in within(read_locks(folder), limits)]
    return found


def _seconds(one: Range) -> dict[str, int]:
    told = one.as_json()
    return {"from": told["from"], "duration": told["duration"]}


def _moment(request: MediaRequest, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not text.isascii():
        raise AccessDenied(400, "bad_request", f"{name} is a time in Unix seconds")
    return min(int(text[:15]) * 1000, MAX_MS)
