"""JSON schema of the models -> structural OpenAPI schema of Kubernetes.

Kubernetes takes only structural schemas: every node has one type; no `$ref`; alternatives only as
int-or-string or as a node that keeps unknown fields; draft-4 `exclusiveMinimum`. Everything has an
upper bound, else the cost estimate of the CEL rules rejects the definition.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from media_api.resources.meta import DEFAULTED

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
MAX_STRING = 4096  # characters of a text that states no bound of its own
MAX_ITEMS = 1024
# In the order in which they are written: a set would change with each run.
_KEPT = (
    "description", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems",
    "minProperties", "maxProperties", "minimum", "maximum", "required",
)  # fmt: skip
_FORMATS = frozenset({"date-time", "password"})  # those that Kubernetes knows


class SchemaError(Exception):
    """A model cannot be written as a structural schema; names the place."""


def structural(model: type[BaseModel]) -> Schema:
    """Structural schema of `model`. Raises SchemaError."""
    document = model.model_json_schema(mode="validation", by_alias=True)
    return _Converter(document.get("$defs", {})).convert(document, model.__name__)


class _Converter:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def convert(self, node: Schema, place: str) -> Schema:
        node = self._resolve(node)
        if "anyOf" in node or "oneOf" in node:
            return self._alternatives(node, place)
        if "const" in node:
            node = {**node, "enum": [node["const"]]}
        result: Schema = {key: node[key] for key in _KEPT if key in node}
        result.update({key: value for key, value in node.items() if key.startswith("x-kubernetes")})
        kind = node.get("type") or _type_of_enum(node.get("enum"))
        if kind is None:
            return {**result, PRESERVE: True}
        result["type"] = kind
        self._limits(result, node)
        if kind == "object":
            self._object(result, node, place)
        elif kind == "array":
            result["items"] = self.convert(node.get("items", {}), f"{place}[]")
            result.setdefault("maxItems", MAX_ITEMS)
        elif kind == "string" and "enum" not in node:
            result.setdefault("maxLength", MAX_STRING)
        if node.get(DEFAULTED) and node.get("default") is not None:
            result["default"] = node["default"]
        return result

    def _resolve(self, node: Schema) -> Schema:
        while "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            local = {key: value for key, value in node.items() if key != "$ref"}
            node = {**self._definitions[name], **local}
        return node

    def _limits(self, result: Schema, node: Schema) -> None:
        if result["type"] in {"integer", "number"}:
            if result["type"] == "integer":
                result["format"] = "int64"
            for bound in ("Minimum", "Maximum"):
                if (value := node.get(f"exclusive{bound}")) is not None:
                    result[bound.lower()] = value
                    result[f"exclusive{bound}"] = True
        elif node.get("format") in _FORMATS:
            result["format"] = node["format"]

    def _object(self, result: Schema, node: Schema, place: str) -> None:
        properties = node.get("properties")
        if properties is not None:
            result["properties"] = {
                key: self.convert(value, f"{place}.{key}") for key, value in properties.items()
            }
            if node.get("additionalProperties") is True:
                result[PRESERVE] = True
            return
        result.setdefault("maxProperties", MAX_ITEMS)
        values = node.get("additionalProperties", True)
        if values is True:
            result[PRESERVE] = True
        else:
            result["additionalProperties"] = self.convert(values, f"{place}.*")

    def _alternatives(self, node: Schema, place: str) -> Schema:
        branches = [self._resolve(item) for item in node.get("anyOf") or node["oneOf"]]
        branches = self._flatten(branches)
        nullable = any(item.get("type") == "null" for item in branches)
        real = [item for item in branches if item.get("type") != "null"]
        outer = {key: value for key, value in node.items() if key not in {"anyOf", "oneOf"}}
        result = self._merge_branches(real, outer, place)
        # The API server checks null against enum too and takes no null within enum: a null is then
        # no value of the field.
        if nullable and "enum" not in result:
            result["nullable"] = True
        return result

    def _flatten(self, branches: list[Schema]) -> list[Schema]:
        flat: list[Schema] = []
        for item in branches:
            inner = item.get("anyOf") or item.get("oneOf")
            if inner:
                flat += self._flatten([self._resolve(part) for part in inner])
            else:
                flat.append(item)
        return flat

    def _merge_branches(self, branches: list[Schema], outer: Schema, place: str) -> Schema:
        if len(branches) == 1:
            return self.convert({**branches[0], **outer}, place)
        kinds = {item.get("type") or _type_of_enum(item.get("enum")) for item in branches}
        described = {key: outer[key] for key in ("description",) if key in outer}
        if kinds == {"string"}:
            longest = max(item.get("maxLength", MAX_STRING) for item in branches)
            return {**described, "type": "string", "maxLength": longest}
        if kinds == {"integer", "string"}:
            return {**described, INT_OR_STRING: True}
        if "object" in kinds or "array" in kinds:
            raise SchemaError(f"{place}: no schema says {sorted(map(str, kinds))} at once")
        # A boolean or a number: only the program that reads it can check that.
        return {**described, PRESERVE: True}


def _type_of_enum(values: list[Any] | None) -> str | None:
    if not values:
        return None
    if all(isinstance(value, str) for value in values):
        return "string"
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    if all(isinstance(value, int) for value in values):
        return "integer"
    return None
