"""Files of the UI and of the player page, served by every egress worker itself.

They are part of the program, so a stream can be watched in a page even while the API is off on a
port or the supervisor restarts.
"""

from pathlib import Path

import media_web
from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.request import CORS

UI_PREFIX = "ui/static/"
PLAYER_PREFIX = "-/player/"
PLAYER_STATIC = Path(__file__).parent.parent / "player" / "static"
_ROOTS = {UI_PREFIX: media_web.STATIC, PLAYER_PREFIX: PLAYER_STATIC}


def find_static(path: str) -> Path | None:
    """The file that a decoded path means, or None if it is no path of static files.

    Raises AccessDenied(404) if there is no such file.
    """
    for prefix, root in _ROOTS.items():
        if path.startswith(prefix):
            file = (root / path.removeprefix(prefix)).resolve()
            if not file.is_relative_to(root.resolve()) or not file.is_file():
                raise AccessDenied(404, "not_found", "There is no such file")
            return file
    return None


def send_static(file: Path) -> web.StreamResponse:
    """The file; the browser asks each time whether it has changed (an update takes effect)."""
    headers = {**CORS, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(file, headers=headers)
