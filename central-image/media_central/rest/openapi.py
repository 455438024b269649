"""The OpenAPI 3.1 document: paths listed here, schemas made from the models."""

from functools import cache
from typing import Any

from media_api.base import ApiModel, JsonObject
from media_api.stream import StreamConfig
from pydantic.json_schema import models_json_schema

from media_central.models import (
    CentralStream,
    CentralStreamer,
    CentralStreamerState,
    CentralStreamState,
)

_SCHEMAS: tuple[type[ApiModel], ...] = (
    StreamConfig,
    CentralStream,
    CentralStreamState,
    CentralStreamer,
    CentralStreamerState,
)
_REF = "#/components/schemas/{model}"
_COLLECTION_PARAMETERS = ("select", "sort", "limit", "cursor", "q")


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: JsonObject) -> JsonObject:
    return {"application/json": {"schema": schema}}


def _answers(schema: JsonObject | None, *, errors: tuple[int, ...] = ()) -> JsonObject:
    answers: JsonObject = (
        {"200": {"description": "OK", "content": _json(schema)}}
        if schema is not None
        else {"204": {"description": "Done"}}
    )
    for status in (*errors, 401, 403):
        answers[str(status)] = {"description": "Error", "content": _json(_ref("Error"))}
    return answers


def _path_parameter(name: str) -> JsonObject:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _collection(name: str, item: str) -> JsonObject:
    schema = {
        "type": "object",
        "required": [name, "estimated_count"],
        "properties": {
            name: {"type": "array", "items": _ref(item)},
            "estimated_count": {"type": "integer"},
            "next": {"type": ["string", "null"]},
            "prev": {"type": ["string", "null"]},
            "timing": {"type": "object"},
        },
    }
    parameters = [
        {"name": key, "in": "query", "schema": {"type": "string"}} for key in _COLLECTION_PARAMETERS
    ]
    return {
        "operationId": f"{name}_list",
        "parameters": parameters,
        "responses": _answers(schema, errors=(400,)),
    }


def _resource(what: str, key: str, config: str, state: str) -> JsonObject:
    return {
        "parameters": [_path_parameter(key)],
        "get": {
            "operationId": f"{what}_get",
            "responses": _answers(_ref(state), errors=(404,)),
        },
        "put": {
            "operationId": f"{what}_save",
            "description": "Creates or changes by JSON merge: only passed fields change.",
            "requestBody": {"required": True, "content": _json({**_ref(config)})},
            "responses": _answers(_ref(state), errors=(400, 409, 503)),
        },
        "delete": {
            "operationId": f"{what}_delete",
            "responses": _answers(None, errors=(404, 503)),
        },
    }


def _simple(operation: str) -> JsonObject:
    return {"get": {"operationId": operation, "responses": _answers({"type": "object"})}}


def _redirect(status: int) -> JsonObject:
    found: JsonObject = _answers(None, errors=(404, 503))
    found.pop("204")
    return {str(status): {"description": "At the streamer in Location"}, **found}


def _backend(operation: str) -> JsonObject:
    return {
        "parameters": [_path_parameter("hostname")],
        "get": {**_collection("streams", "CentralStream"), "operationId": operation},
    }


def _paths() -> JsonObject:
    return {
        "/streams": {"get": _collection("streams", "CentralStreamState")},
        "/streams/{name}": _resource("stream", "name", "CentralStream", "CentralStreamState"),
        "/streams/{name}/layouts": {
            "parameters": [_path_parameter("name")],
            **_simple("stream_layouts_list"),
        },
        "/streams/{name}/events": {
            "parameters": [_path_parameter("name")],
            **_simple("stream_events_list"),
        },
        "/streams/{name}/stop": {
            "parameters": [_path_parameter("name")],
            "post": {"operationId": "stream_stop", "responses": _answers(None, errors=(404, 409))},
        },
        "/lb/{balancer}/{name}/{rest}": {
            "parameters": [_path_parameter(key) for key in ("balancer", "name", "rest")],
            "get": {"operationId": "lb_play", "responses": _redirect(302), "security": []},
            "post": {"operationId": "lb_publish", "responses": _redirect(307), "security": []},
        },
        "/streamers": {"get": _collection("streamers", "CentralStreamerState")},
        "/streamers/{hostname}": _resource(
            "streamer", "hostname", "CentralStreamer", "CentralStreamerState"
        ),
        "/streamers/{hostname}/streams": _backend("streamer_streams_list"),
        "/streamers/{hostname}/update-streams": _backend("streamer_update_streams_list"),
        "/streamers/{hostname}/dynamic-streams": _backend("streamer_dynamic_streams_list"),
        "/sessions": _simple("sessions_list"),
        "/cluster/stats": _simple("cluster_stats_get"),
        "/config": {
            **_simple("config_get"),
            "put": {
                "operationId": "config_save",
                "description": "Changes settings in Central's file; they hold after a restart.",
                "requestBody": {"required": True, "content": _json({"type": "object"})},
                "responses": _answers({"type": "object"}, errors=(400, 409)),
            },
        },
        "/config/stats": _simple("config_stats_get"),
        "/ui_settings": _simple("ui_settings_get"),
        "/monitoring/liveness": _simple("liveness_probe"),
        "/monitoring/readiness": _simple("readiness_probe"),
    }


@cache
def openapi_document(version: str) -> JsonObject:
    """The whole document. `StreamConfig` is what forms are made from."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in _SCHEMAS], ref_template=_REF
    )
    components: dict[str, Any] = dict(schemas["$defs"])
    components["Error"] = {
        "type": "object",
        "required": ["error", "errors"],
        "properties": {
            "error": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Central", "version": version},
        "servers": [{"url": "/streamer/api/v3"}, {"url": "/central/api/v3"}],
        "security": [{"basic": []}, {"bearer": []}],
        "paths": _paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }
