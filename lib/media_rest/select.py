"""`select`: which fields of an object are answered. Required fields always stay."""

from collections.abc import Mapping
from typing import Any

from media_api.base import ApiModel, JsonObject

from media_rest.merge import nested_model
from media_rest.paths import MISSING, field_annotation, kinds_at, required_keys, split_path

# key -> None for the whole value, or the selection within it.
Selection = dict[str, Any]


def parse_select(text: str, schema: type[ApiModel]) -> Selection | None:
    """Selection of `name,stats.bitrate,inputs.url`; None selects all. Raises ValueError."""
    words = [word for word in text.split(",") if word]
    if not words:
        return None
    selection = _with_required({}, schema)
    for word in words:
        path = split_path(word)
        if kinds_at(schema, path) is None and not _crosses_list(schema, path):
            raise ValueError(f"there is no field {word!r} to select")
        _add(selection, path, schema)
    return selection


def _with_required(selection: Selection, model: type[ApiModel] | None) -> Selection:
    for key in required_keys(model) if model is not None else ():
        selection.setdefault(key, None)
    return selection


def _crosses_list(schema: type[ApiModel], path: tuple[str, ...]) -> bool:
    model: type[ApiModel] | None = schema
    for key in path:
        annotation = MISSING if model is None else field_annotation(model, key)
        if annotation is MISSING:
            return False
        model = nested_model(annotation)
    return True


def _add(selection: Selection, path: tuple[str, ...], model: type[ApiModel] | None) -> None:
    key, rest = path[0], path[1:]
    annotation = MISSING if model is None else field_annotation(model, key)
    inner = None if annotation is MISSING else nested_model(annotation)
    if not rest:
        selection[key] = None
    elif selection.get(key, MISSING) is not None:
        branch = selection.setdefault(key, _with_required({}, inner))
        _add(branch, rest, inner)


def select_fields(item: JsonObject, selection: Selection | None) -> JsonObject:
    """The selected part of `item`; arrays are cut element by element; absent keys stay absent."""
    if selection is None:
        return item
    return {
        key: _cut(item[key], inner) for key, inner in selection.items() if item.get(key) is not None
    }


def _cut(value: Any, selection: Selection | None) -> Any:
    if selection is None:
        return value
    if isinstance(value, Mapping):
        return select_fields(dict(value), selection)
    if isinstance(value, list | tuple):
        return [_cut(element, selection) for element in value]
    return value
