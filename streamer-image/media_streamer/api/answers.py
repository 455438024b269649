"""How answers look: JSON with a newline at its end, metrics, bodies read with bounds."""

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web
from media_rest.errors import ApiError
from media_rest.json_text import parse_json
from media_rest.openmetrics import CONTENT_TYPES, MetricsFormat, render, wanted_metrics
from prometheus_client.core import Metric

JsonObject = dict[str, Any]

MAX_BODY_BYTES = 64 * 1024 * 1024
"""A whole configuration of 100,000 streams fits."""


def json_answer(data: Any, status: int = 200) -> web.Response:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n"
    return web.Response(
        body=text.encode(), status=status, content_type="application/json", charset="utf-8"
    )


def no_content() -> web.Response:
    return web.Response(status=204)


def metrics_format(request: web.Request) -> MetricsFormat | None:
    """The metrics text that a request wants, None for JSON."""
    return wanted_metrics(request.headers.get("Accept"), request.query.get("format"))


def metrics_answer(metrics: Iterable[Metric], form: MetricsFormat) -> web.Response:
    return web.Response(body=render(metrics, form), headers={"Content-Type": CONTENT_TYPES[form]})


async def json_body(request: web.Request) -> JsonObject:
    """The body as an object; raises ApiError 400."""
    try:
        body = parse_json(await request.read() or b"{}")
    except ValueError as error:
        raise ApiError(
            400, "malformed_json", f"the body is no JSON: {str(error)[:200]}", path=[]
        ) from None
    if not isinstance(body, dict):
        raise ApiError(400, "validation_error", "the body must be a JSON object", path=[])
    return body


async def text_body(request: web.Request) -> str:
    """The body as UTF-8 text; raises ApiError 400."""
    try:
        return (await request.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ApiError(400, "bad_encoding", "the body is no UTF-8 text") from None


def sends_text(request: web.Request) -> bool:
    """True if the body is a configuration file, not JSON."""
    return request.content_type == "text/plain"
