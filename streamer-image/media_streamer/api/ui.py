"""The web UI: static files of `media_web`, one page for every address below `/ui/`."""

from pathlib import Path

from aiohttp import web
from media_rest.errors import ApiError
from media_web import CONTENT_SECURITY_POLICY, INDEX, STATIC

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


async def index(_: web.Request) -> web.StreamResponse:
    return web.FileResponse(INDEX, headers=HEADERS)


def _find(name: str) -> Path | None:
    root = STATIC.resolve()
    if "\0" in name:
        return None
    path = (root / name).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


async def static(request: web.Request) -> web.StreamResponse:
    path = _find(request.match_info["path"])
    if path is None:
        raise ApiError(404, "not_found", "there is no such file")
    return web.FileResponse(path, headers=HEADERS)


def add_ui(app: web.Application) -> None:
    """Routes of the UI; they need no login, the API behind them does."""
    app.router.add_get("/ui/static/{path:.+}", static)
    app.router.add_get("/", index)
    app.router.add_get("/ui", index)
    app.router.add_get("/ui/{page:.*}", index)
