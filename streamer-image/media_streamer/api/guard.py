"""The door of every operation: which page sends a request, who is behind it, what he may do."""

import time

from aiohttp import web
from media_rest.errors import ApiError
from media_rest.same_origin import is_loopback, is_loopback_host, page_problem

from media_streamer.api.auth import Caller, require, right_of
from media_streamer.api.route import Handler, Need, server_of
from media_streamer.forwarded import CLIENT, RELAYED

RIGHT = web.RequestKey("right", str)
"""What the sender of a request may do, `view` or `edit`."""


def guarded(handler: Handler, need: Need) -> Handler:
    """The handler behind the login that it needs."""

    async def guard(request: web.Request) -> web.StreamResponse:
        if need != "open":
            server = server_of(request)
            config = server.configuration.current
            refuse_foreign_page(request, changes=need == "edit")
            right = right_of(
                config,
                request.headers.get("Authorization"),
                _caller(request),
                time.time(),
                server.guesses,
            )
            require(right, need, config)
            _refuse_packed(request)
            request[RIGHT] = right
        return await handler(request)

    return guard


def reads_only(request: web.Request) -> bool:
    """True if secrets must be hidden from the sender."""
    return bool(request.get(RIGHT) != "edit")


def refuse_foreign_page(request: web.Request, *, changes: bool) -> None:
    """Raises ApiError 403 for what a page of another site sends."""
    allowed = server_of(request).configuration.current.api_allowed_origins or ()
    if problem := page_problem(request.headers, allowed, changes=changes):
        title = f"{problem}; `api_allowed_origins` lets other sites in"
        raise ApiError(403, "foreign_page", title)


def _refuse_packed(request: web.Request) -> None:
    """Raises ApiError 415 for a compressed body: a few bytes of it can stand for all memory."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity" and request.body_exists:
        title = "send the body as it is, without Content-Encoding"
        raise ApiError(415, "packed_body", title, headers={"Accept-Encoding": "identity"})


def _caller(request: web.Request) -> Caller:
    # The egress worker sets both headers itself, whatever the client sent.
    ip = request.headers.get(CLIENT, "127.0.0.1")
    return Caller(
        ip=ip,
        local=is_loopback(ip)
        and RELAYED not in request.headers
        and is_loopback_host(request.headers.get("Host", "")),
        interactive=request.headers.get("X-Requested-With") is None,
    )
