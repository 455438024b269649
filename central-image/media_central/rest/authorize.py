"""`/auth`: Central answers streamers that ask whether a viewer may watch.

A streamer whose stream says `on_play http://KEY@CENTRAL/streamer/api/v3/auth` asks here; the answer
follows the stream's own `on_play` in Central, or the rule set named by `?backend=NAME`. 200 lets
in, 403 refuses. A stream that nobody declared is refused.
"""

from collections.abc import Mapping

from aiohttp import web
from media_api.auth import AuthBackendConfig, AuthSpec
from media_api.base import ApiModel
from media_auth.authorize import authorize
from media_auth.http_backend import HttpBackend
from media_auth.rules import check_restrictions
from media_auth.verdict import Question, Verdict, allow, deny
from media_rest.errors import ApiError
from media_rest.query import QueryError
from media_rest.route import Route
from pydantic import Field

from media_central.rest.answers import json_answer
from media_central.rest.context import BACKENDS, Context, context
from media_central.store.port import Kind

PREFIX = "auth://"


class AuthAnswer(ApiModel):
    """What the streamer is told besides the status and the headers."""

    allowed_dvr_ranges: list[dict[str, int]] | None = Field(
        default=None, description="Spans of the archive that may be watched. Default: all."
    )


async def get_auth(request: web.Request) -> web.StreamResponse:
    """200 or 403, with X-AuthDuration, X-UserId and X-Max-Sessions."""
    question = _question(request.query)
    verdict = await decide(
        context(request), question, request.app[BACKENDS], request.query.get("backend")
    )
    if not verdict.decided:
        raise ApiError(503, verdict.code, verdict.title)
    headers = {"X-AuthDuration": str(round(verdict.auth_seconds))}
    if verdict.user_id:
        headers["X-UserId"] = verdict.user_id
    if verdict.max_sessions is not None:
        headers["X-Max-Sessions"] = str(verdict.max_sessions)
    if verdict.location:
        headers["Location"] = verdict.location
        return json_answer({}, status=302, headers=headers)
    if not verdict.allowed:
        raise ApiError(403, verdict.code, verdict.title, headers=headers)
    return json_answer({}, headers=headers)


def _question(query: Mapping[str, str]) -> Question:
    """Raises QueryError."""
    for name in ("name", "proto", "ip"):
        if not query.get(name):
            raise QueryError(f"{name} is required", name)
    kind = query.get("request_type", "new_session")
    return Question(
        kind="play",
        name=query["name"],
        proto=query["proto"],
        ip=query["ip"],
        token=query.get("token", ""),
        session_id=query.get("session_id", ""),
        request_type="update_session" if kind == "update_session" else "new_session",
        qs=query.get("qs", ""),
        user_agent=query.get("user_agent", ""),
        referer=query.get("referer", ""),
        host=query.get("host", ""),
        request_number=_count(query, "request_number"),
        stream_clients=_count(query, "stream_clients"),
        total_clients=_count(query, "total_clients"),
        duration=_count(query, "duration"),
        bytes=_count(query, "bytes"),
        dvr=query.get("dvr") == "true",
    )


def _count(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise QueryError(f"{name} must be a number", name)
    return int(text)


async def decide(
    ctx: Context, question: Question, asked: HttpBackend, backend: str | None = None
) -> Verdict:
    """What the rules say."""
    rule_sets = {
        record.key: AuthBackendConfig.parse(record.config)
        for record in ctx.store.all(Kind.AUTH_BACKEND)
    }
    record = ctx.store.get(Kind.STREAM, question.name)
    if record is None or record.config.get("disabled"):
        return deny("stream_not_found", f"There is no stream {question.name!r}")
    configured = record.config.get("on_play")
    spec = AuthSpec.parse(configured) if configured is not None else None
    if spec is not None and (refused := check_restrictions(spec, question, ctx.countries)):
        return refused
    if backend is not None:
        spec = AuthSpec(url=PREFIX + backend)
    elif spec is not None and isinstance(spec.url, str) and spec.url.startswith("http"):
        # That is how the streamer came here.
        spec = None
    if spec is None:
        return allow()
    return await authorize(spec, question, asked, rule_sets, ctx.countries)


ROUTES = (
    Route(
        "GET", "/auth", get_auth, "Whether a viewer may watch", need="backend",
        operation="auth_request", response=AuthAnswer,
        query={
            "name": "stream", "proto": "protocol", "ip": "address of the viewer",
            "token": "his token", "backend": "rule set; default: that of the stream",
        },
    ),
)  # fmt: skip
