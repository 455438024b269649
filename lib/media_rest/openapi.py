"""openapi.json, made from a table of routes and the models: it cannot lag behind them."""

from collections.abc import Iterable, Sequence

from media_api.base import ApiModel, JsonObject
from media_api.marks import mark
from pydantic.json_schema import models_json_schema

from media_rest.route import Route

REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["error", "errors"],
    "properties": {
        "error": {"type": "string", "description": "Word for programs."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_LIST_PARAMETERS = ("limit", "cursor", "sort", "select", "q")


def openapi(
    routes: Iterable[Route], *, title: str, version: str, bases: Sequence[str]
) -> JsonObject:
    """An OpenAPI 3.1 document of `routes`, served below each of `bases`."""
    table = [route for route in routes if not route.hidden]
    models = {
        model for route in table for model in (route.request, route.response) if model is not None
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=REF
    )
    schemas = definitions.get("$defs", {})
    mark(schemas)
    paths: dict[str, JsonObject] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": base} for base in bases],
        "security": [{"basic": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "error_response": _ERROR},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route) -> JsonObject:
    operation: JsonObject = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            _status(route): _answer(route),
            "default": {"description": "Error", "content": _json(_ref_to("error_response"))},
        },
    }
    if route.need == "open":
        operation["security"] = []
    if route.request is not None:
        schema = _ref(route.request)
        body = {"type": "array", "items": schema} if route.batch else schema
        operation["requestBody"] = {"required": True, "content": _json(body)}
    return operation


def _status(route: Route) -> str:
    if route.redirect:
        return str(route.redirect)
    return "200" if route.response or route.method == "GET" else "204"


def _parameters(route: Route) -> list[JsonObject]:
    in_path = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in route.path.split("/")
        if part.startswith("{")
    ]
    names = dict.fromkeys(_LIST_PARAMETERS, "") if route.collection else {}
    in_query = [
        {
            "name": name,
            "in": "query",
            "schema": {"type": "string"},
            **({"description": text} if text else {}),
        }
        for name, text in {**names, **route.query}.items()
    ]
    return [*in_path, *in_query]


def _answer(route: Route) -> JsonObject:
    if route.redirect:
        return {"description": "At the server in Location"}
    if route.response is None:
        return {"description": "OK" if route.method == "GET" else "Done"}
    if not route.collection:
        return {"description": "OK", "content": _json(_ref(route.response))}
    schema = {
        "type": "object",
        "required": [route.collection],
        "properties": {
            route.collection: {"type": "array", "items": _ref(route.response)},
            "estimated_count": {"type": "integer"},
            "next": {"type": ["string", "null"]},
            "prev": {"type": ["string", "null"]},
            "timing": {"type": "object"},
        },
    }
    return {"description": "OK", "content": _json(schema)}


def _ref(model: type[ApiModel]) -> JsonObject:
    return _ref_to(model.__name__)


def _ref_to(name: str) -> JsonObject:
    return {"$ref": REF.format(model=name)}


def _json(schema: JsonObject) -> JsonObject:
    return {"application/json": {"schema": schema}}
