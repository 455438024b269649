"""Files of the UI and of the protocols' pages, served by every egress worker itself.

They are part of the program, so a stream can be watched in a page even while the API is off on a
port or the supervisor restarts.
"""

from collections.abc import Mapping
from pathlib import Path

import media_web
from aiohttp import web
from media_web import documentation

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.request import CORS

UI_PREFIX = "ui/static/"


def find_static(directories: Mapping[str, Path], path: str) -> Path | None:
    """The file that a decoded path means, or None if it is no path of static files.

    `directories` are those beside the UI's, by the beginning of their paths.
    Raises AccessDenied(404) if there is no such file.
    """
    for prefix, root in (*directories.items(), (UI_PREFIX, media_web.STATIC)):
        if path.startswith(prefix):
            file = (root / path.removeprefix(prefix)).resolve()
            if not file.is_relative_to(root.resolve()) or not file.is_file():
                raise AccessDenied(404, "not_found", "There is no such file")
            return file
    return None


def send_page(request: web.BaseRequest, file: Path) -> web.StreamResponse:
    """A page of the documentation; its links are relative, so `/docs` becomes `/docs/`."""
    if request.path == f"/{documentation.PREFIX}":
        return web.Response(status=302, headers={"Location": f"{documentation.PREFIX}/"})
    return web.FileResponse(file, headers=documentation.HEADERS)


def send_static(file: Path) -> web.StreamResponse:
    """The file; the browser asks each time whether it has changed (an update takes effect)."""
    headers = {**CORS, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(file, headers=headers)
