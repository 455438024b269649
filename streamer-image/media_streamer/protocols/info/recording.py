"""`recording_status.json`: what of a stream is recorded and locked, and where to look for pictures
of it, for time lines."""

import json
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from msgspec.structs import replace

from media_streamer.archive.library import Library, Where
from media_streamer.archive.locks import read_locks
from media_streamer.archive.places import HOUR_MS, MAX_MS
from media_streamer.archive.ranges import Range, total_ms, within
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest, answer

REQUESTS = frozenset({"ranges", "locks", "brief_thumbnails"})
BRIEF = 100
"""Moments whose pictures give an idea of a time."""
BRIEF_MS = 5000
"""They lie no closer than this."""


async def recording_status(egress: Egress, request: MediaRequest) -> web.StreamResponse:
    """The JSON document; raises AccessDenied like playing does. Who asks is no viewer."""
    access = await egress.hub.access(replace(request.access_request("api"), archive=True))
    asked = {word for word in request.query.get("request", "ranges").split(",") if word}
    if unknown := asked - REQUESTS:
        title = f"request has no {', '.join(sorted(unknown))[:80]}: {', '.join(sorted(REQUESTS))}"
        raise AccessDenied(400, "bad_request", title)
    limits = Range(_moment(request, "from", 0), _moment(request, "to", MAX_MS))
    folder, places = egress.archives.folder(access), egress.archives.places(access)

    if "brief_thumbnails" in asked and not access.config.pictures:
        raise AccessDenied(403, "no_pictures", "This stream makes no pictures on demand")

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
    if asked & {"ranges", "brief_thumbnails"}:
        before = library.ranges(where, limits.from_ms - HOUR_MS, limits.to_ms)
        recorded = list(within(before, limits))
        if "ranges" in asked:
            found["ranges"] = [_seconds(one) for one in recorded]
        if "brief_thumbnails" in asked:
            found["brief_thumbnails"] = brief(recorded)
    if "locks" in asked:
        found["locks"] = [_seconds(one) for one in within(read_locks(folder), limits)]
    return found


def brief(recorded: Sequence[Range]) -> list[int]:
    """Unix seconds within what is recorded, spread evenly over it."""
    parts = min(BRIEF, total_ms(recorded) // BRIEF_MS)
    found: list[int] = []
    passed_ms = 0
    for one in recorded:
        until_ms = passed_ms + one.to_ms - one.from_ms
        while len(found) < parts:
            at_ms = total_ms(recorded) * (2 * len(found) + 1) // (2 * parts)
            if at_ms >= until_ms:
                break
            found.append((one.from_ms + at_ms - passed_ms) // 1000)
        passed_ms = until_ms
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
