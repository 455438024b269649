"""`/config/write`, `/config/read`, `/config/explain`: streams as text of a configuration file, and
back.

Nothing is saved and nothing of this server is told: an editor shows a stream as text, and checks
what was typed, whichever server keeps the stream; a whole file from elsewhere is looked at before
something of it is taken over.
"""

import asyncio
import json
from collections import Counter
from typing import Annotated, Any, TypeVar

from aiohttp import web
from media_api.base import ApiModel, JsonObject
from media_api.stream import StreamConfig
from media_api.units import Count
from media_rest.errors import ApiError, validation_error
from pydantic import Field, ValidationError

from media_streamer.api.answers import json_answer, json_body
from media_streamer.api.route import Route
from media_streamer.config import parse, write_object
from media_streamer.config.elsewhere import Elsewhere, read_elsewhere
from media_streamer.config.explain import VERDICTS, Explained, Verdict
from media_streamer.supervisor.catalog import inherit

Given = TypeVar("Given", bound=ApiModel)

MAX_STREAMS = 1000
MAX_TEXT = 1024 * 1024
"""Characters; a thousand streams have about 200,000."""
MAX_PROBLEMS = 100
MAX_FILE_STREAMS = 10_000
MAX_FILE_TEXT = 8 * 1024 * 1024
MAX_LINES = 1000
"""Of a whole file from elsewhere: streams, characters, directives that something is said of."""
MAX_EXPLAINED = 16 * 1024 * 1024
"""Bytes of the streams of a file, each with what its template sets."""


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


class FileText(ApiModel):
    """A configuration file from elsewhere."""

    text: Annotated[str, Field(max_length=MAX_FILE_TEXT)] = Field(description="All of it.")


class FileLine(ApiModel):
    """A directive of the file. No secret is shown."""

    line: Count = Field(description="From 1.")
    directive: str = Field(description="Its first words.")
    verdict: Verdict = Field(default="works", description="What becomes of it.")
    reasons: list[str] = Field(default_factory=list, description="Why, in words.")


class ExplainedFile(ApiModel):
    """What a file from elsewhere declares, and what becomes of each directive."""

    streams: list[dict[str, Any]] = Field(
        description="Streams, only with what was set; what their templates set is in them."
    )
    auth_backends: list[dict[str, Any]] = Field(description="Named rules for viewers.")
    broken: list[str] = Field(description="Names of streams of which something was refused.")
    directives: list[FileLine] = Field(description="Those that do not plainly work.")
    counts: dict[str, int] = Field(description="How many directives there are of each verdict.")
    left: list[FileLine] = Field(description="What is of the server itself.")


async def _given(request: web.Request, model: type[Given]) -> Given:
    """The body of a request. Raises ApiError 400."""
    body = await json_body(request)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise validation_error(error, body) from None


async def write_text(request: web.Request) -> web.Response:
    """Streams as text. Raises ApiError 400."""
    documents = await _given(request, StreamDocuments)
    return json_answer({"text": await asyncio.to_thread(_text, documents.streams)})


def _text(streams: list[StreamConfig]) -> str:
    return "\n".join(write_object("streams", stream) for stream in streams)


async def read_text(request: web.Request) -> web.Response:
    """What the text declares. Raises ApiError 400 for what is no text."""
    text = (await _given(request, StreamText)).text
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


async def explain_file(request: web.Request) -> web.Response:
    """What a whole file declares and what becomes of it. Raises ApiError 400."""
    text = (await _given(request, FileText)).text
    return json_answer(await asyncio.to_thread(_explain, text))


def _explain(text: str) -> JsonObject:
    found = read_elsewhere(text)
    sizes = {name: len(json.dumps(one.explicit())) for name, one in found.templates.items()}
    streams = found.streams[:MAX_FILE_STREAMS]
    if sum(sizes.get(one.template or "", 0) for one in streams) > MAX_EXPLAINED:
        title = "Its streams with their templates are too much for one answer: give a part of it"
        raise ApiError(400, "too_large", title)
    counts = Counter(line.verdict for line in found.lines)
    told = [line for line in found.lines if line.verdict != "works"]
    return {
        "streams": [_alone(one, found) for one in streams],
        "auth_backends": [one.explicit() for one in found.auth_backends],
        "broken": found.broken,
        "directives": [_line(one) for one in told[:MAX_LINES]],
        "counts": {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]},
        "left": [_line(one) for one in found.left[:MAX_LINES]],
    }


def _alone(stream: StreamConfig, found: Elsewhere) -> JsonObject:
    """The stream with what its template sets, and without it."""
    own = stream.explicit()
    template = found.templates.get(str(own.pop("template", "")))
    return inherit(own, template.explicit() if template is not None else None).explicit()


def _line(told: Explained) -> JsonObject:
    return {
        "line": told.line,
        "directive": told.shown,
        "verdict": told.verdict,
        "reasons": told.reasons,
    }


ROUTES = (
    Route(
        "POST", "/config/write", write_text, "Streams as text of a configuration file",
        need="view", request=StreamDocuments, response=StreamText,
    ),
    Route(
        "POST", "/config/read", read_text, "Streams that a text declares; saves nothing",
        need="view", request=StreamText, response=ReadStreams,
    ),
    Route(
        "POST", "/config/explain", explain_file,
        "What a configuration file from elsewhere declares, line by line; saves nothing",
        need="view", request=FileText, response=ExplainedFile,
    ),
)  # fmt: skip
