"""Fields of a body that no model knows: they are left out, and whoever sent them is told.

They are accepted because clients of other versions send more than we know, and because what an
answer had may be sent back whole. But a field that is misspelt must not vanish without a word.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from media_api.base import ApiModel, JsonObject
from pydantic import BaseModel

MAX_TOLD = 16
MAX_DEPTH = 64
MAX_NAME = 64
"""Characters of a name that are repeated."""
_NEAR = 0.7
"""Likeness from which a known name is offered, 0 to 1."""

_Models = tuple[type[ApiModel], ...]


def unknown_fields(body: Any, *models: type[ApiModel]) -> list[str]:
    """A sentence for each field of `body` that none of `models` has, at most `MAX_TOLD`.

    `models` are that of the request and that of the answer. Values are never repeated.
    """
    told: list[str] = []
    for path, known in _walk(body, models, ()):
        if len(told) == MAX_TOLD:
            told.append("more fields are unknown, and were left out")
            break
        told.append(_sentence(path, known))
    return told


def told(answer: JsonObject, body: Any, *models: type[ApiModel]) -> JsonObject:
    """The answer to a write, its `warnings` grown by what was left out of `body`."""
    texts = unknown_fields(body, *models)
    return {**answer, "warnings": [*answer.get("warnings", ()), *texts]} if texts else answer


def _sentence(path: tuple[str | int, ...], known: set[str]) -> str:
    name = str(path[-1])
    near = get_close_matches(name[:MAX_NAME], known, 1, _NEAR)
    hint = f"; did you mean {near[0]}?" if near else ""
    shown = ".".join(str(part)[:MAX_NAME] for part in path)
    return f"{shown}: there is no such field, it was left out{hint}"


def _walk(
    value: Any, models: _Models, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], set[str]]]:
    """Path of each unknown field, and the names that are known at its place."""
    if len(path) > MAX_DEPTH or not models:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, models, (*path, index))
    if not isinstance(value, Mapping) or any(_takes_any(model) for model in models):
        return
    known = {name for model in models for name in _names(model)}
    for key, inner in value.items():
        if key.startswith("$"):  # the transport's own
            continue
        if key not in known:
            yield (*path, key), known
            continue
        yield from _walk(inner, _below(models, key), (*path, key))


def _takes_any(model: type[ApiModel]) -> bool:
    return model.model_config.get("extra") == "allow"


def _names(model: type[ApiModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name
    yield from model.deprecated_aliases


def _below(models: _Models, key: str) -> _Models:
    """Models of what `key` holds; none where anything may be in it."""
    found: list[type[ApiModel]] = []
    for model in models:
        name = model.deprecated_aliases.get(key, key)
        for own, field in model.model_fields.items():
            if (field.alias or own) == name:
                inner = list(_leaves(field.annotation))
                if any(leaf is dict or leaf is Any for leaf in inner):
                    return ()
                found += [leaf for leaf in inner if _is_model(leaf)]
    return tuple(found)


def _leaves(annotation: Any) -> Iterator[Any]:
    """What an annotation such as `Annotated[list[Model], …] | None` is made of."""
    origin = get_origin(annotation)
    if origin is dict:
        yield dict
    elif arguments := get_args(annotation):
        for argument in arguments:
            yield from _leaves(argument)
    else:
        yield annotation


def _is_model(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, BaseModel) and issubclass(leaf, ApiModel)
