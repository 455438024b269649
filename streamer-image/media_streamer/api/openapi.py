"""openapi.json, made from the table of routes and the models: it cannot lag behind them."""

from collections.abc import Iterable
from typing import Any

from media_api.base import ApiModel
from pydantic.json_schema import models_json_schema

from media_streamer.api.route import Route

JsonObject = dict[str, Any]

REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "Word for programs."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_LIST_PARAMETERS = ("limit", "cursor", "sort", "select", "q")


def openapi(routes: Iterable[Route], version: str) -> JsonObject:
    """An OpenAPI 3.1 document of `routes`."""
    table = list(routes)
    models = {
        model for route in table for model in (route.request, route.response) if model is not None
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=REF
    )
    paths: dict[str, JsonObject] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Streamer API", "version": version},
        "servers": [{"url": "/streamer/api/v3"}, {"url": "/flussonic/api/v3"}],
        "security": [{"basic": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "error_response": _ERROR},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route) -> JsonObject:
    operation: JsonObject = {
        "operationId": route.handler.__name__ + "_" + route.path.strip("/").replace("/", "_"),
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            "200" if route.response or route.method == "GET" else "204": _answer(route),
            "default": {"description": "Error", "content": _json_ref("error_response")},
        },
    }
    if route.need == "open":
        operation["security"] = []
    if route.request is not None:
        operation["requestBody"] = {"content": _json_ref(route.request.__name__)}
    return operation


def _parameters(route: Route) -> list[JsonObject]:
    in_path = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in route.path.split("/")
        if part.startswith("{")
    ]
    in_query = [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in _LIST_PARAMETERS
    ]
    return [*in_path, *(in_query if route.collection else [])]


def _answer(route: Route) -> JsonObject:
    if route.response is None:
        return {"description": "Done"}
    if not route.collection:
        return {"description": "OK", "content": _json_ref(route.response.__name__)}
    schema = {
        "type": "object",
        "properties": {
            route.collection: {"type": "array", "items": _ref(route.response)},
            "estimated_count": {"type": "integer"},
            "next": {"type": ["string", "null"]},
            "prev": {"type": ["string", "null"]},
            "timing": {"type": "object"},
        },
    }
    return {"description": "OK", "content": {"application/json": {"schema": schema}}}


def _ref(model: type[ApiModel]) -> JsonObject:
    return {"$ref": REF.format(model=model.__name__)}


def _json_ref(name: str) -> JsonObject:
    return {"application/json": {"schema": {"$ref": REF.format(model=name)}}}
