"""The web UI's files: one page and ES modules, nothing is made at run time."""

from aiohttp import web
from media_web import CONTENT_SECURITY_POLICY, assets, documentation

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
}


async def page(_request: web.Request) -> web.StreamResponse:
    """The application; it routes by the URL's fragment."""
    return _response(assets.index())


async def static(request: web.Request) -> web.StreamResponse:
    """A file of the UI."""
    found = assets.answer(request.match_info["path"], request.headers)
    if found is None:
        raise web.HTTPNotFound
    return _response(found)


def _response(found: assets.Answer) -> web.Response:
    headers = {**SECURITY_HEADERS, **found.headers}
    return web.Response(status=found.status, headers=headers, body=found.body)


async def documentation_page(request: web.Request) -> web.StreamResponse:
    """A page of the documentation; its links are relative, so `/docs` becomes `/docs/`."""
    if request.path == f"/{documentation.PREFIX}":
        raise web.HTTPFound(f"{documentation.PREFIX}/")
    file = documentation.find_page(request.path.strip("/"))
    if file is None:
        raise web.HTTPNotFound
    return web.FileResponse(file, headers=documentation.HEADERS)


def add_ui(app: web.Application) -> None:
    """`/`, `/ui/…`, `/ui/static/…` and `/docs/…`."""
    app.router.add_get("/docs", documentation_page)
    app.router.add_get("/docs/{path:.*}", documentation_page)
    app.router.add_get("/", page)
    app.router.add_get("/ui/static/{path:.+}", static)
    app.router.add_get("/ui", page)
    app.router.add_get("/ui/{path:.*}", page)
