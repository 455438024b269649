"""What every request goes through: errors as JSON, gzip, and what a browser is told of answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from media_rest.errors import ApiError, error_body, validation_error
from media_rest.same_origin import cors_headers
from pydantic import ValidationError

from media_streamer.api.answers import json_answer
from media_streamer.api.guard import refuse_foreign_page
from media_streamer.api.route import LIMIT, server_of
from media_streamer.config import EditError

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS = 60.0
MIN_GZIP_BYTES = 1024
BROWSER_RULES = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""No page of another site gets hold of an answer, not even as an image or a script."""


@web.middleware
async def api_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Errors become JSON; a browser shows answers to our own pages and to those allowed."""
    response = await _answer(request, handler)
    if response.prepared:
        return response
    allowed = server_of(request).configuration.current.api_allowed_origins or ()
    for name, value in BROWSER_RULES.items():
        response.headers.setdefault(name, value)
    if cors := cors_headers(request.headers, allowed):
        response.headers.update(cors)
        if "Access-Control-Allow-Origin" in cors:
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    body = response.body if isinstance(response, web.Response) else None
    is_packed = "Content-Encoding" in response.headers
    if isinstance(body, bytes) and len(body) >= MIN_GZIP_BYTES and not is_packed:
        response.headers.add("Vary", "Accept-Encoding")
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            response.enable_compression(web.ContentCoding.gzip)
    return response


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        if request.method == "OPTIONS":
            return _preflight(request)
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS) as limit:
            request[LIMIT] = limit
            return await handler(request)
    except ApiError as error:
        response = json_answer(error.body(), error.status)
        response.headers.update(error.headers)
        return response
    except web.HTTPException as error:
        code = error.reason.lower().replace(" ", "_")
        refused = ApiError(error.status, code, f"{request.method} {request.path}: {error.reason}")
        response = json_answer(refused.body(), error.status)
        if allow := error.headers.get("Allow"):
            response.headers["Allow"] = allow
        return response
    except ValidationError as error:
        return json_answer(validation_error(error).body(), 400)
    except EditError as error:
        refused = ApiError(
            400, "config_not_changed", f"the configuration file is unchanged: {error}"
        )
        return json_answer(refused.body(), 400)
    except TimeoutError:
        refused = ApiError(503, "unavailable", "the server did not finish in time, try again")
        return json_answer(refused.body(), 503)
    except OSError as error:
        log.error("%s %s: %s", request.method, request.path, error)
        title = f"the configuration cannot be written: {error.strerror or error}"
        return json_answer(ApiError(500, "config_not_writable", title).body(), 500)
    except Exception as error:
        log.exception("%s %s failed", request.method, request.path)
        return json_answer(error_body(error), 500)


def _preflight(request: web.Request) -> web.Response:
    """What a page asks before it sends what a form could not. Raises ApiError 403."""
    refuse_foreign_page(request, changes=True)
    return web.Response(status=204, headers={"Allow": "GET, HEAD, PUT, POST, DELETE, OPTIONS"})
