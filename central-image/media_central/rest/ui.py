"""The web UI's files: one page and ES modules, nothing is made at run time."""

import mimetypes

from aiohttp import web
from media_web import CONTENT_SECURITY_POLICY, INDEX, STATIC, documentation

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
_ROOT = STATIC.resolve()
# Some machines' registries call it text/plain, and browsers refuse to run that as a module.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


async def page(_request: web.Request) -> web.StreamResponse:
    """The application; it routes by the URL's fragment."""
    headers = {**SECURITY_HEADERS, "Content-Type": "text/html; charset=utf-8"}
    return web.FileResponse(INDEX, headers={**headers, "Cache-Control": "no-cache"})


async def static(request: web.Request) -> web.StreamResponse:
    """A file below STATIC; the browser asks each time whether it has changed."""
    name = request.match_info["path"]
    path = (_ROOT / name).resolve() if name.isprintable() else _ROOT
    if not path.is_relative_to(_ROOT) or not path.is_file():
        raise web.HTTPNotFound
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-cache"}
    return web.FileResponse(
        path, headers={**headers, "Content-Type": kind or "application/octet-stream"}
    )


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
