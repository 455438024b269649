"""Files of the UI and of the player page, served by every egress worker itself.

They are part of the program, so a stream can be watched in a page even while the API is off on a
port or the supervisor restarts.
"""

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web
from media_web import assets, documentation

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.request import CORS

_PREFIX = assets.PREFIX.removeprefix("/")


def static_answer(path: str, headers: Mapping[str, str]) -> web.StreamResponse | None:
    """The file that a decoded path means, or None if it is no path of static files.

    Raises AccessDenied(404) if there is no such file.
    """
    if not path.startswith(_PREFIX):
        return None
    found = assets.answer(path.removeprefix(_PREFIX), headers)
    if found is None:
        raise AccessDenied(404, "not_found", "There is no such file")
    return web.Response(status=found.status, headers={**CORS, **found.headers}, body=found.body)


def send_page(request: web.BaseRequest, file: Path) -> web.StreamResponse:
    """A page of the documentation; its links are relative, so `/docs` becomes `/docs/`."""
    if request.path == f"/{documentation.PREFIX}":
        return web.Response(status=302, headers={"Location": f"{documentation.PREFIX}/"})
    return web.FileResponse(file, headers=documentation.HEADERS)
