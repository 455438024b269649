"""The application: every operation below both bases, the UI beside them."""

from aiohttp import web

from media_central.rest import backend, balance, config, service, streamers, streams
from media_central.rest.answers import MAX_BODY_BYTES, outermost
from media_central.rest.auth import require_credentials
from media_central.rest.context import CONTEXT, Context
from media_central.rest.ui import add_ui

BASES = ("/streamer/api/v3", "/central/api/v3")
"""The first is what Central's documentation tells, the second what newer clients use."""


def make_app(context: Context) -> web.Application:
    """Ready to be served; holds no resources of its own."""
    app = web.Application(
        middlewares=[outermost, require_credentials(context.keys, BASES)],
        client_max_size=MAX_BODY_BYTES,
    )
    app[CONTEXT] = context
    for base in BASES:
        for module in (service, config, backend, balance, streamers, streams):
            for method, path, handler in module.routes():
                app.router.add_route(method, base + path, handler)
    add_ui(app)
    return app
