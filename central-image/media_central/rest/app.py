"""The application: every operation below both bases, the UI beside them."""

from aiohttp import web
from media_rest.route import Route

from media_central.rest import (
    agents,
    backend,
    balance,
    config,
    documents,
    layouts,
    service,
    streamers,
    streams,
    tokens,
    unserved,
)
from media_central.rest.access import guarded
from media_central.rest.answers import MAX_BODY_BYTES, outermost
from media_central.rest.context import BASES, CONTEXT, Context
from media_central.rest.service import TABLE
from media_central.rest.table import add_routes
from media_central.rest.ui import add_ui

ROUTES: tuple[Route, ...] = (
    *streams.ROUTES,
    *streamers.ROUTES,
    *layouts.ROUTES,
    *backend.ROUTES,
    *balance.ROUTES,
    *agents.ROUTES,
    *documents.ROUTES,
    *tokens.ROUTES,
    *config.ROUTES,
    *service.ROUTES,
    *unserved.ROUTES,
)


def make_app(context: Context) -> web.Application:
    """Ready to be served; holds no resources of its own."""
    app = web.Application(middlewares=[outermost], client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context
    app[TABLE] = ROUTES
    for base in BASES:
        add_routes(app, base, ROUTES, guarded)
    add_ui(app)
    return app
