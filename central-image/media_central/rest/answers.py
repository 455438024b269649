"""How every answer looks: JSON with a newline, errors in one shape, what browsers may do, gzip.

A browser adds the login that it keeps for Central to whatever any page makes it send, so pages of
other sites may use the API only where ALLOWED_ORIGINS names them.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from media_api.base import JsonObject
from media_rest.errors import ApiError, error_body
from media_rest.json_text import parse_json
from media_rest.openmetrics import CONTENT_TYPES, render, wanted_metrics
from media_rest.same_origin import cors_headers, page_problem
from prometheus_client.core import Metric

from media_central.rest.context import BASES, context
from media_central.store.port import (
    ConditionError,
    InvalidResourceError,
    NameTakenError,
    OwnerConflictError,
    StoreError,
    StoreUnavailableError,
)

log = logging.getLogger(__name__)
access_log = logging.getLogger("media_central.requests")

MAX_BODY_BYTES = 32 * 1024 * 1024
GZIP_FROM_BYTES = 1024
HANG_UP = (401, 403, 413, 415, 429)
"""After these the body is not read: who may not send it shall not be listened to."""
PLAYER_HEADERS = {"Access-Control-Allow-Origin": "*"}
"""Players run in pages of any site, and /lb tells nothing but where a stream is."""
BROWSER_RULES = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "Central",  # not the versions of what it is made of
    "X-Content-Type-Options": "nosniff",
}
"""No page of another site gets hold of an answer, not even as an image or a script."""


def json_answer(
    data: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """JSON of any value, compact, ended by a newline."""
    body = json_bytes(data)
    response = web.Response(
        body=body,
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )
    if len(body) >= GZIP_FROM_BYTES:
        response.enable_compression()
    return response


def json_bytes(data: Any) -> bytes:
    """JSON of any value, compact, ended by a newline."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False) + "\n"
    # Names of the request may hold what is no character: never a failed answer for that.
    return text.encode(errors="replace")


def metrics_answer(
    request: web.Request, families: Callable[[], Iterable[Metric]]
) -> web.Response | None:
    """Metrics, if the request wants those in place of JSON."""
    form = wanted_metrics(request.headers.get("Accept"), request.query.get("format"))
    if form is None:
        return None
    return web.Response(
        body=render(families(), form), headers={"Content-Type": CONTENT_TYPES[form]}
    )


async def json_body(request: web.Request) -> Any:
    """The body as JSON. Raises ApiError 400, 413."""
    raw = await request.read()
    try:
        return parse_json(raw)
    except ValueError as error:
        raise ApiError(400, "malformed_json", f"the body is not JSON: {error}") from None


async def object_body(request: web.Request) -> JsonObject:
    """The body as a JSON object. Raises ApiError 400."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise ApiError(400, "bad_body", "the body must be a JSON object", pointer="")
    return body


def store_error(error: StoreError) -> ApiError:
    """The answer to a write that was not made."""
    if isinstance(error, InvalidResourceError):
        return ApiError(
            400,
            "validation_error",
            str(error),
            pointer=error.pointer or None,
            errors=error.errors,
        )
    if isinstance(error, ConditionError):
        return ApiError(412, "precondition_failed", f"nothing was changed: {error}")
    if isinstance(error, OwnerConflictError):
        return ApiError(
            409, "owned_by_other", str(error), meta={"owner": error.owner, "field": error.field}
        )
    if isinstance(error, NameTakenError):
        return ApiError(409, "name_taken", str(error))
    if isinstance(error, StoreUnavailableError):
        done = "it is not known whether this was done" if error.unknown else "nothing was changed"
        return ApiError(
            503,
            "store_unavailable",
            f"{done}, streams go on: {error}; repeat the request later",
            headers={"Retry-After": "5"},
        )
    return ApiError(500, "store_error", str(error))


@web.middleware
async def outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every exception into an answer and adds what all answers have."""
    started = time.perf_counter()
    response = await _answer(request, handler)
    if response.status in HANG_UP and request.can_read_body:
        response.force_close()
    if not response.prepared:
        _rule_browsers(request, response)
    access_log.debug(
        "%s %s -> %d in %.1f ms, from %s",
        request.method,
        request.rel_url.raw_path,  # without the query: tokens travel there
        response.status,
        (time.perf_counter() - started) * 1000,
        request.remote,
    )
    return response


def _rule_browsers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in BROWSER_RULES.items():
        response.headers.setdefault(name, value)
    if is_for_players(request):
        response.headers.update(PLAYER_HEADERS)
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    elif cors := cors_headers(request.headers, context(request).settings.allowed_origins):
        response.headers.update(cors)
        if "Access-Control-Allow-Origin" in cors:
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def is_for_players(request: web.Request) -> bool:
    """The one part of the API that any page may use."""
    return any(request.path.startswith(f"{base}/lb/") for base in BASES)


def refuse_foreign_page(request: web.Request, *, changes: bool) -> None:
    """Raises ApiError 403 for what a page of another site sends."""
    allowed = context(request).settings.allowed_origins
    if problem := page_problem(request.headers, allowed, changes=changes):
        raise ApiError(403, "foreign_page", f"{problem}; ALLOWED_ORIGINS lets other sites in")


def _preflight(request: web.Request) -> web.Response:
    """What a page asks before it sends what a form could not. Raises ApiError 403."""
    if not is_for_players(request):
        refuse_foreign_page(request, changes=True)
    return web.Response(status=204, headers={"Allow": "GET, HEAD, PUT, POST, DELETE, OPTIONS"})


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if request.method == hdrs.METH_OPTIONS:
            return _preflight(request)
        return await handler(request)
    except ApiError as error:
        return _error_answer(error)
    except StoreError as error:
        return _error_answer(store_error(error))
    except web.HTTPRequestEntityTooLarge:
        size = MAX_BODY_BYTES // 1024**2
        return _error_answer(ApiError(413, "body_too_large", f"more than {size} MiB: split it"))
    except web.HTTPException as error:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status, "bad_request")
        return _error_answer(ApiError(error.status, code, error.reason))
    except Exception:
        log.exception("%s %s crashed", request.method, request.rel_url.raw_path)
        return _error_answer(ApiError(500, "crashed", "internal error, see the log of Central"))


def _error_answer(error: ApiError) -> web.Response:
    return json_answer(error_body(error), status=error.status, headers=error.headers)
