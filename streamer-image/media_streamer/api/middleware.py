"""What every request goes through: CORS, login, errors as JSON, gzip."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from media_rest.credentials import client_address
from media_rest.errors import ApiError, error_body, validation_error
from pydantic import ValidationError

from media_streamer.api.answers import json_answer
from media_streamer.api.auth import require, right_of
from media_streamer.api.route import Handler, Need, server_of
from media_streamer.config import EditError

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS = 60.0
MIN_GZIP_BYTES = 1024
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, PUT, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Expose-Headers": "*",
    "Access-Control-Allow-Private-Network": "true",
}
RIGHT = web.RequestKey("right", str)
"""What the sender of a request may do, `view` or `edit`."""


def guarded(handler: Handler, need: Need) -> Handler:
    """The handler behind the login that it needs."""

    async def guard(request: web.Request) -> web.StreamResponse:
        if need != "open":
            config = server_of(request).configuration.current
            right = right_of(
                config,
                request.headers.get("Authorization"),
                # The egress worker sets the header itself, whatever the client sent.
                client_address(request.headers, "127.0.0.1"),
                time.time(),
                request.headers.get("X-Requested-With") is None,
            )
            require(right, need)
            request[RIGHT] = right
        return await handler(request)

    return guard


def reads_only(request: web.Request) -> bool:
    """True if secrets must be hidden from the sender."""
    return bool(request.get(RIGHT) != "edit")


@web.middleware
async def api_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Errors become JSON, every answer may be read by any page."""
    response = await _answer(request, handler)
    if response.prepared:
        return response
    response.headers.update(CORS)
    body = response.body if isinstance(response, web.Response) else None
    if isinstance(body, bytes) and len(body) >= MIN_GZIP_BYTES:
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            response.enable_compression(web.ContentCoding.gzip)
    return response


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return web.Response(status=204)
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
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
