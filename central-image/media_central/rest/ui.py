"""The web UI's files: one page and ES modules, nothing is made at run time."""

import contextlib

from aiohttp import hdrs, web
from media_web import CONTENT_SECURITY_POLICY, assets, documentation

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
}


PIECE_BYTES = 64 * 1024
"""What waits for a client that does not read: anybody may ask for these files."""


async def page(request: web.Request) -> web.StreamResponse:
    """The application; it routes by the URL's fragment."""
    return await _send(request, assets.index())


async def static(request: web.Request) -> web.StreamResponse:
    """A file of the UI."""
    found = assets.answer(request.match_info["path"], request.headers)
    if found is None:
        raise web.HTTPNotFound
    return await _send(request, found)


async def _send(request: web.Request, found: assets.Answer) -> web.StreamResponse:
    headers = {**SECURITY_HEADERS, **found.headers}
    body = found.body or b""
    if len(body) <= PIECE_BYTES or request.method == hdrs.METH_HEAD:
        return web.Response(status=found.status, headers=headers, body=found.body)
    response = web.StreamResponse(status=found.status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # who has left is no fault
        for at in range(0, len(body), PIECE_BYTES):
            await response.write(body[at : at + PIECE_BYTES])
    return response


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
