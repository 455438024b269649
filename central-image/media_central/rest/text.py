"""`/config/write`, `/config/read`, `/config/explain`: streams as text of a streamer's configuration
file, and back.

Streamers know the grammar of the file; any that answers does it. Nothing is saved.
"""

from aiohttp import web
from media_api.base import JsonObject
from media_rest.errors import ApiError
from media_rest.route import Route

from media_central.rest.answers import json_answer, object_body
from media_central.rest.context import context
from media_central.streamers.client import StreamerError


async def write_text(request: web.Request) -> web.StreamResponse:
    """`{"streams": [...]}` -> `{"text": ...}`."""
    return json_answer(await _ask(request, "/config/write", await object_body(request)))


async def read_text(request: web.Request) -> web.StreamResponse:
    """`{"text": ...}` -> `{"streams": [...], "problems": [...]}`."""
    return json_answer(await _ask(request, "/config/read", await object_body(request)))


async def explain_file(request: web.Request) -> web.StreamResponse:
    """`{"text": ...}` of a whole file -> its streams, and what becomes of each directive."""
    return json_answer(await _ask(request, "/config/explain", await object_body(request)))


async def _ask(request: web.Request, path: str, body: JsonObject) -> JsonObject:
    """The answer of the first streamer that gives one. Raises ApiError 400, 503."""
    links = context(request).fleet.links()
    problem = "no streamer is connected"
    for link in sorted(links, key=lambda link: link.observed is None):
        try:
            answer: JsonObject = await link.client.post(path, body)
        except StreamerError as error:
            if error.status == 400:
                raise ApiError(400, "validation_error", str(error)) from None
            problem = str(error)
        else:
            return answer
    title = f"a streamer must translate the text, and none does: {problem}"
    raise ApiError(503, "no_streamer", title, headers={"Retry-After": "5"})


ROUTES = (
    Route(
        "POST", "/config/write", write_text, "Streams as text of a configuration file",
        need="view", operation="config_write",
    ),
    Route(
        "POST", "/config/read", read_text, "Streams that a text declares; saves nothing",
        need="view", operation="config_read",
    ),
    Route(
        "POST", "/config/explain", explain_file,
        "What a configuration file from elsewhere declares, line by line; saves nothing",
        need="view", operation="config_explain",
    ),
)  # fmt: skip
