"""From a stored document and a patch to the next document: the same for every adapter. Pure."""

from collections.abc import Mapping
from typing import Any

from media_api.auth import AuthBackendConfig
from media_api.base import ApiModel, JsonObject
from media_api.cluster import BalancerConfig
from media_rest.errors import ApiError, error_path, json_pointer, validation_error
from media_rest.merge import body_name, merge_put
from pydantic import ValidationError

from media_central.models import CentralStream, CentralStreamer
from media_central.models.tokens import StoredToken
from media_central.store.port import InvalidResourceError, Kind

MODELS: Mapping[Kind, type[ApiModel]] = {
    Kind.STREAM: CentralStream,
    Kind.STREAMER: CentralStreamer,
    Kind.BALANCER: BalancerConfig,
    Kind.AUTH_BACKEND: AuthBackendConfig,
    Kind.API_TOKEN: StoredToken,
}
KEY_FIELDS: Mapping[Kind, str] = {
    kind: "hostname" if kind is Kind.STREAMER else "name" for kind in Kind
}


def target_key(kind: Kind, key: str, patch: JsonObject) -> str:
    """The name that the resource has after the patch: the one in the body wins."""
    return body_name(patch, key, KEY_FIELDS[kind])


def next_document(
    kind: Kind, key: str, current: JsonObject | None, patch: JsonObject
) -> JsonObject:
    """The document after the merge, only with what was set. Raises InvalidResourceError."""
    try:
        document = merge_put(MODELS[kind], current, patch, key, KEY_FIELDS[kind]).explicit()
    except ValidationError as error:
        refused = validation_error(error, patch)
        raise InvalidResourceError(
            _message(refused), _pointer(error, patch), refused.body()["errors"]
        ) from None
    except ValueError as error:
        raise InvalidResourceError(str(error)) from None
    if not is_storable(document):
        raise InvalidResourceError("text must not contain U+0000 or a lone surrogate")
    return document


def _message(error: ApiError) -> str:
    parts = [
        f"{item.get('source', {}).get('pointer', '/').strip('/') or 'body'}: {item.get('title')}"
        for item in error.body()["errors"]
    ]
    return "; ".join(parts[:5])


def _pointer(error: ValidationError, patch: JsonObject) -> str:
    return json_pointer(error_path(error.errors(include_context=False)[0]["loc"], patch))


def is_storable(value: Any) -> bool:
    """False for text that PostgreSQL cannot hold and UTF-8 cannot carry (RFC 3629 section 3)."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, Mapping):
        return all(is_storable(item) for pair in value.items() for item in pair)
    return not isinstance(value, list) or all(map(is_storable, value))
