"""The application: every operation below both bases, the UI beside them."""

from aiohttp import web
from media_auth.http_backend import HttpBackend
from media_rest.document import Document
from media_rest.route import Route

from media_central.rest import (
    agents,
    archives,
    authorize,
    backend,
    balance,
    config,
    documents,
    dvrs,
    episodes,
    events,
    history,
    layouts,
    live,
    service,
    streamers,
    streams,
    text,
    tokens,
    unserved,
)
from media_central.rest.access import guarded
from media_central.rest.answers import MAX_BODY_BYTES, outermost
from media_central.rest.context import BACKENDS, BASES, CONTEXT, Context
from media_central.rest.live import READERS, close_readers
from media_central.rest.service import DOCUMENT
from media_central.rest.table import add_routes
from media_central.rest.ui import add_ui
from media_central.version import central_version

ROUTES: tuple[Route, ...] = (
    *streams.ROUTES,
    *streamers.ROUTES,
    *layouts.ROUTES,
    *backend.ROUTES,
    *balance.ROUTES,
    *agents.ROUTES,
    *documents.ROUTES,
    *tokens.ROUTES,
    *authorize.ROUTES,
    *dvrs.ROUTES,
    *archives.ROUTES,
    *episodes.ROUTES,
    *events.ROUTES,
    *history.ROUTES,
    *live.ROUTES,
    *config.ROUTES,
    *text.ROUTES,
    *service.ROUTES,
    *unserved.ROUTES,
)


def make_app(context: Context, backends: HttpBackend) -> web.Application:
    """Ready to be served; holds no resources of its own."""
    app = web.Application(middlewares=[outermost], client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context
    app[BACKENDS] = backends
    app[DOCUMENT] = Document(ROUTES, title="Central", version=central_version(), bases=BASES)
    app[READERS] = set()
    app.on_shutdown.append(close_readers)
    for base in BASES:
        add_routes(app, base, ROUTES, guarded)
    add_ui(app)
    return app
