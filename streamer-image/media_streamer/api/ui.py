"""The web UI: files of `media_web`, one page for every address below `/ui/`."""

from aiohttp import web
from media_rest.errors import ApiError
from media_web import CONTENT_SECURITY_POLICY, assets

HEADERS = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "same-origin"}


async def index(_: web.Request) -> web.StreamResponse:
    return _response(assets.index())


async def static(request: web.Request) -> web.StreamResponse:
    found = assets.answer(request.match_info["path"], request.headers)
    if found is None:
        raise ApiError(404, "not_found", "there is no such file")
    return _response(found)


def _response(found: assets.Answer) -> web.Response:
    return web.Response(status=found.status, headers={**HEADERS, **found.headers}, body=found.body)


def add_ui(app: web.Application) -> None:
    """Routes of the UI; they need no login, the API behind them does."""
    app.router.add_get("/ui/static/{path:.+}", static)
    app.router.add_get("/", index)
    app.router.add_get("/ui", index)
    app.router.add_get("/ui/{page:.*}", index)
