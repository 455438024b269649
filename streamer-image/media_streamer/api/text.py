"""`/config/write` and `/config/read`: streams as directives of a configuration file, and back.

Nothing is saved and nothing of this server is told: an editor shows a stream as text, and checks
what was typed, whichever server keeps the stream.
"""

import asyncio
from typing import Annotated, Any

from aiohttp import web
from media_api.base import ApiModel, JsonObject
from media_api.stream import StreamConfig
from media_rest.errors import validation_error
from pydantic import Field, ValidationError

from media_streamer.api.answers import json_answer, json_body
from media_streamer.api.route import Route
from media_streamer.config import parse, write_object

MAX_STREAMS = 1000
MAX_TEXT = 1024 * 1024
"""Characters; a thousand streams have about 200,000."""
MAX_PROBLEMS = 100


class StreamDocuments(ApiModel):
    """Streams as JSON."""

    streams: Annotated[list[StreamConfig], Field(max_length=MAX_STREAMS)] = Field(
        default_factory=list, description="Streams."
    )


class StreamText(ApiModel):
    """Streams as text of a configuration file."""

    text: Annotated[str, Field(max_length=MAX_TEXT)] = Field(
        description="Directives, such as `stream one { input fake://fake; }`."
    )


class ReadStreams(ApiModel):
    """What a text declares, and what is wrong with it."""

    streams: list[dict[str, Any]] = Field(description="Streams, only with what was set.")
    problems: list[dict[str, Any]] = Field(
        description="Errors: line and col from 1, detail in words. Empty: the text is sound."
    )


async def write_text(request: web.Request) -> web.Response:
    """Streams as text. Raises ApiError 400."""
    body = await json_body(request)
    try:
        documents = StreamDocuments.model_validate(body)
    except ValidationError as error:
        raise validation_error(error, body) from None
    return json_answer({"text": await asyncio.to_thread(_text, documents.streams)})


def _text(streams: list[StreamConfig]) -> str:
    return "\n".join(write_object("streams", stream) for stream in streams)


async def read_text(request: web.Request) -> web.Response:
    """What the text declares. Raises ApiError 400 for what is no text."""
    body = await json_body(request)
    try:
        text = StreamText.model_validate(body).text
    except ValidationError as error:
        raise validation_error(error, body) from None
    return json_answer(await asyncio.to_thread(_read, text))


def _read(text: str) -> JsonObject:
    parsed = parse(text)
    problems = [
        {"line": one.line, "col": one.col, "detail": one.as_json()["detail"]}
        for one in parsed.errors[:MAX_PROBLEMS]
    ]
    others = sorted(set(parsed.config.explicit()) - {"streams"})
    if others and not problems:
        detail = f"only streams belong here, not {', '.join(others)}"
        problems = [{"line": 1, "col": 1, "detail": detail}]
    streams = [one.explicit() for one in parsed.config.streams[:MAX_STREAMS]]
    return {"streams": streams, "problems": problems}


ROUTES = (
    Route(
        "POST", "/config/write", write_text, "Streams as text of a configuration file",
        need="view", request=StreamDocuments, response=StreamText,
    ),
    Route(
        "POST", "/config/read", read_text, "Streams that a text declares; saves nothing",
        need="view", request=StreamText, response=ReadStreams,
    ),
)  # fmt: skip
