"""What all writes of resources have in common: conditions, trials, and the record of who did it.

- `If-Match: "TAG"` writes only what its author has read (412 if somebody else changed it since);
  `If-Match: *` only what is there, `If-None-Match: *` only what is not (RFC 9110 section 13.1). The
  tag of a resource is in the `ETag` of its answers and belongs to its configuration: that a stream
  moves or its bit rate changes does not alter it.
- `?dry_run=true` does everything but the write, and answers what would be saved.
- Every write is told to the audit, with what was there before.
"""

import re
from collections.abc import Sequence

from aiohttp import hdrs, web
from media_api.base import JsonObject
from media_rest.errors import ApiError
from media_rest.query import QueryError
from media_rest.redact import HIDDEN

from media_central.rest.access import caller_of
from media_central.rest.address import address_of
from media_central.rest.context import context
from media_central.store.port import Condition, Kind, Record

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_SINGULAR = {
    Kind.STREAM: "stream",
    Kind.STREAMER: "streamer",
    Kind.BALANCER: "load_balancer",
    Kind.AUTH_BACKEND: "auth_backend",
    Kind.API_TOKEN: "api_token",
}


def singular(kind: Kind) -> str:
    """The word for one of them, as in stream_not_found."""
    return _SINGULAR[kind]


def tag_header(record: Record) -> dict[str, str]:
    """ETag of an answer with one resource."""
    return {str(hdrs.ETAG): f'"{record.tag}"'}


def condition_of(request: web.Request) -> Condition | None:
    """What the caller demands of the resource before it is written. Raises ApiError 400."""
    match = ",".join(request.headers.getall(hdrs.IF_MATCH, [])).strip()
    absent = request.headers.get(hdrs.IF_NONE_MATCH, "").strip()
    if absent and absent != "*":
        raise ApiError(400, "bad_condition", "If-None-Match of a write must be *")
    if not match:
        return Condition(absent=True) if absent else None
    if match == "*":
        return Condition(frozenset(), absent=bool(absent))
    tags = frozenset(_TAG.findall(match))
    if not tags:
        raise ApiError(400, "bad_condition", 'If-Match must be "TAG" or *')
    return Condition(tags, absent=bool(absent))


def is_dry_run(request: web.Request) -> bool:
    """Raises QueryError for what is neither true nor false."""
    word = request.query.get("dry_run", "false").lower()
    if word not in ("true", "false", "1", "0", ""):
        raise QueryError("dry_run must be true or false", "dry_run")
    return word in ("true", "1")


async def put(request: web.Request, kind: Kind, key: str, patch: JsonObject) -> Record:
    """Writes as the request says. Raises StoreError, ApiError 400."""
    dry_run = is_dry_run(request)
    record = await context(request).store.put(
        kind, key, patch, condition=condition_of(request), dry_run=dry_run
    )
    if not dry_run:
        audit(request, kind, record.key, record.before, record.config)
    return record


async def put_many(
    request: web.Request, kind: Kind, patches: Sequence[tuple[str, JsonObject]]
) -> Sequence[Record]:
    """All or none. Raises StoreError, ApiError 400."""
    dry_run = is_dry_run(request)
    records = await context(request).store.put_many(kind, patches, dry_run=dry_run)
    if not dry_run:
        for record in records:
            audit(request, kind, record.key, record.before, record.config)
    return records


async def delete(request: web.Request, kind: Kind, key: str) -> bool:
    """False if there was none. Raises StoreError, ApiError 400."""
    store = context(request).store
    known = store.get(kind, key)
    if is_dry_run(request):
        return known is not None
    if not await store.delete(kind, key, condition=condition_of(request)):
        return False
    audit(request, kind, key, known.config if known else None, None)
    return True


def _without_digest(document: JsonObject | None) -> JsonObject | None:
    return {**document, "digest": HIDDEN} if document and "digest" in document else document


def audit(
    request: web.Request,
    kind: Kind,
    key: str,
    before: JsonObject | None,
    after: JsonObject | None,
) -> None:
    """Keeps who changed what; a write that changed nothing is no change."""
    if before == after:
        return
    before, after = _without_digest(before), _without_digest(after)
    caller = caller_of(request)
    context(request).history.add_audit(
        originator=caller.name,
        role=caller.role,
        ip=address_of(request),
        method=request.method,
        path=request.rel_url.raw_path,
        entity_type=singular(kind),
        entity_id=key,
        before=before,
        after=after,
    )
