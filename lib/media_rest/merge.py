"""PUT: the JSON merge that changes only what was passed (RFC 7386 with two additions).

Rules: null removes a key, objects merge key by key, arrays replace as a whole. `"$reset": true` in
an object drops what was saved there first. Other `$` keys are the transport's own and ignored.
A `name` in the body wins over the one in the path, which renames.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_args

from media_api.base import ApiModel, JsonObject
from pydantic import BaseModel

RESET = "$reset"
MAX_DEPTH = 64  # of a body: far above any configuration, far below Python's recursion limit
M = TypeVar("M", bound=ApiModel)


def merge(saved: Mapping[str, Any], patch: Mapping[str, Any], depth: int = 0) -> JsonObject:
    """Returns `saved` changed by `patch`; neither is modified. Raises ValueError if too deep."""
    if depth > MAX_DEPTH:
        raise ValueError(f"objects are nested deeper than {MAX_DEPTH} levels")
    merged: JsonObject = {} if patch.get(RESET) is True else dict(saved)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            before = merged.get(key)
            merged[key] = merge(before if isinstance(before, Mapping) else {}, value, depth + 1)
        else:
            merged[key] = value
    return merged


def nested_model(annotation: Any) -> type[ApiModel] | None:
    """The model inside an annotation such as `Annotated[list[Model], …] | None`, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation if issubclass(annotation, ApiModel) else None
    for argument in get_args(annotation):
        if (found := nested_model(argument)) is not None:
            return found
    return None


@cache
def _models_in(model: type[ApiModel]) -> tuple[tuple[str, type[ApiModel]], ...]:
    """Keys of a model that hold models. To find them anew for each item of a list of 100,000 took
    twelve seconds."""
    fields = model.model_fields.items()
    found = ((field.alias or name, nested_model(field.annotation)) for name, field in fields)
    return tuple((key, inner) for key, inner in found if inner is not None)


def canonical(model: type[ApiModel], data: Mapping[str, Any], depth: int = 0) -> JsonObject:
    """`data` with the old names of keys replaced, at every level.

    Without this, a patch with an old name would stand beside the saved value instead of changing
    it. Raises ValueError as `ApiModel.rename_deprecated` does, or if too deep.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"objects are nested deeper than {MAX_DEPTH} levels")
    renamed = model.rename_deprecated(data)
    for key, inner in _models_in(model):
        value = renamed.get(key)
        if isinstance(value, Mapping):
            renamed[key] = canonical(inner, value, depth + 1)
        elif isinstance(value, list):
            renamed[key] = [
                canonical(inner, item, depth + 1) if isinstance(item, Mapping) else item
                for item in value
            ]
    return renamed


def body_name(body: Mapping[str, Any], path_name: str, key: str = "name") -> str:
    """Name of the object after a PUT to `path_name`: that of the body, if it has one."""
    name = body.get(key)
    return path_name if name is None or name == "" else str(name)


def merge_put(
    model: type[M],
    saved: Mapping[str, Any] | None,
    body: Mapping[str, Any],
    path_name: str | None = None,
    key: str = "name",
) -> M:
    """The object that results from a PUT; its `explicit()` is what to save.

    `saved` is the object's explicit configuration, None if there is none yet. Raises
    pydantic.ValidationError or ValueError; nothing is changed then.
    """
    merged = merge(saved or {}, canonical(model, body))
    if path_name is not None:
        merged[key] = body_name(body, path_name, key)
    return model.model_validate(merged)
