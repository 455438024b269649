"""`/api_tokens`: who may call besides the administrator. For administrators.

Keys are kept hashed and answered once: when they were made, generated or given.
"""

import secrets
from typing import Any

from aiohttp import web
from media_api.base import JsonObject
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query
from media_rest.redact import HIDDEN
from media_rest.route import Route

from media_central.access import key_digest
from media_central.models.tokens import MIN_KEY_LENGTH, ApiToken, ApiTokenState
from media_central.rest import writing
from media_central.rest.access import caller_of
from media_central.rest.answers import json_answer, object_body
from media_central.rest.context import context
from media_central.store.port import Kind, Record

KEY_BYTES = 24  # 32 characters


async def list_tokens(request: web.Request) -> web.StreamResponse:
    query = parse_query(request.query.items(), ApiTokenState)
    items = [_state(record) for record in context(request).store.all(Kind.API_TOKEN)]
    return json_answer(run_query(items, query, "api_tokens", "name"))


async def get_token(request: web.Request) -> web.StreamResponse:
    record = _known(request)
    return json_answer(_state(record), headers=writing.tag_header(record))


async def put_token(request: web.Request) -> web.StreamResponse:
    """Creates or changes; a new key replaces the old one at once."""
    name, body = request.match_info["name"], await object_body(request)
    known = context(request).store.get(Kind.API_TOKEN, name)
    key = body.pop("key", None)
    body.pop("digest", None)
    if key == HIDDEN:  # what was read is sent back
        key = None
    elif key is not None or known is None:
        key = _usable(key)
        body["digest"] = key_digest(key)
    record = await writing.put(request, Kind.API_TOKEN, name, body)
    answer = _state(record) | ({"key": key} if key is not None else {})
    return json_answer(answer, headers=writing.tag_header(record))


def _usable(key: Any) -> str:
    """The key given, or a generated one. Raises ApiError 400."""
    if key is None:
        return secrets.token_urlsafe(KEY_BYTES)
    if not isinstance(key, str) or len(key) < MIN_KEY_LENGTH or not key.isascii():
        raise ApiError(
            400,
            "validation_error",
            f"a key has at least {MIN_KEY_LENGTH} ASCII characters: leave it out to get one",
            pointer="/key",
        )
    return key


async def delete_token(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if not await writing.delete(request, Kind.API_TOKEN, name):
        raise not_found("api_token", name)
    return web.Response(status=204)


async def get_caller(request: web.Request) -> web.StreamResponse:
    """Who asks, so that a page offers him what he may do."""
    caller = caller_of(request)
    return json_answer({"name": caller.name, "role": caller.role})


def _known(request: web.Request) -> Record:
    name = request.match_info["name"]
    record = context(request).store.get(Kind.API_TOKEN, name)
    if record is None:
        raise not_found("api_token", name)
    return record


def _state(record: Record) -> JsonObject:
    shown = {key: value for key, value in record.config.items() if key != "digest"}
    return {
        **shown,
        "key": HIDDEN,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


ROUTES = (
    Route(
        "GET", "/caller", get_caller, "Who asks: name and role", operation="caller_get",
    ),
    Route(
        "GET", "/api_tokens", list_tokens, "List of tokens", need="admin",
        operation="api_tokens_list", response=ApiTokenState, collection="api_tokens",
    ),
    Route(
        "GET", "/api_tokens/{name}", get_token, "A token", need="admin", operation="api_token_get",
        response=ApiTokenState,
    ),
    Route(
        "PUT", "/api_tokens/{name}", put_token, "Make or change a token", need="admin",
        operation="api_token_save", request=ApiToken, response=ApiTokenState,
    ),
    Route(
        "DELETE", "/api_tokens/{name}", delete_token, "Delete a token: it is refused from now on",
        need="admin", operation="api_token_delete",
    ),
)  # fmt: skip
