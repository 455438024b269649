"""Dotted paths into JSON objects and into the models that describe them."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from media_api.base import ApiModel

Path = tuple[str, ...]
Kinds = frozenset[type]
ANY: Kinds = frozenset({int, float, bool, str})
MISSING = object()


def split_path(text: str) -> Path:
    """`stats.media_info.title` -> its keys. Raises ValueError on an empty part."""
    path = tuple(text.split("."))
    if not all(path):
        raise ValueError(f"{text!r} is not a path of keys with dots between")
    return path


def value_at(item: Any, path: Path) -> Any:
    """The value, or MISSING. null and absent are the same. Arrays cannot be entered."""
    for key in path:
        if not isinstance(item, Mapping):
            return MISSING
        item = item.get(key, MISSING)
    return MISSING if item is None else item


def _branches(annotation: Any) -> list[Any]:
    """The alternatives of an annotation without Annotated, Optional and Union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _branches(get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return [branch for arg in get_args(annotation) for branch in _branches(arg)]
    return [] if annotation is types.NoneType else [annotation]


def field_annotation(model: type[ApiModel], key: str) -> Any:
    """Annotation of the field with the JSON name `key`, or MISSING."""
    key = model.deprecated_aliases.get(key, key)
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return field.annotation
    return MISSING


def kinds_at(model: type[ApiModel], path: Path) -> Kinds | None:
    """Python types that the value at `path` may have; None if the models have no such path.

    Objects and arrays count as text only: they can be asked for null, not compared.
    """
    return _kinds(model, path)


def _kinds(annotation: Any, path: Path) -> Kinds | None:
    found: set[type] = set()
    known = False
    for branch in _branches(annotation):
        kinds = _branch_kinds(branch, path)
        if kinds is not None:
            known = True
            found |= kinds
    return frozenset(found) if known else None


def _branch_kinds(branch: Any, path: Path) -> Kinds | None:
    origin = get_origin(branch)
    if branch is Any:
        return ANY
    if isinstance(branch, type) and issubclass(branch, ApiModel):
        if not path:
            return frozenset({str})
        annotation = field_annotation(branch, path[0])
        return None if annotation is MISSING else _kinds(annotation, path[1:])
    if origin is dict:
        return _kinds(get_args(branch)[1], path[1:]) if path else frozenset({str})
    if path:
        return None
    if origin is list:
        inner = _kinds(get_args(branch)[0], ())
        return inner if inner is not None else frozenset({str})
    if origin is Literal:
        return frozenset(type(value) for value in get_args(branch))
    return frozenset({branch}) if branch in ANY else frozenset({str})


def required_keys(model: type[ApiModel]) -> frozenset[str]:
    """JSON names of the fields that an object cannot do without."""
    return frozenset(
        field.alias or name for name, field in model.model_fields.items() if field.is_required()
    )
