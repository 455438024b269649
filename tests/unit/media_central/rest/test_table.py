"""The table of operations: what is published is there, once, and nothing is offered beside it."""

import json
import re

import pytest
from media_central.rest.app import ROUTES
from media_central.rest.context import BASES
from media_rest.openapi import openapi

from tests.support.published import OPERATIONS

SERVED = {route.operation: route for route in ROUTES if route.operation}


def anonymous(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_published_operation_is_served_where_clients_look_for_it(operation) -> None:
    route = SERVED[operation.name]
    assert (route.method, anonymous(route.path)) == (operation.method, operation.path)


def test_each_method_of_a_path_is_one_operation() -> None:
    pairs = [(route.method, anonymous(route.path)) for route in ROUTES]
    assert len(pairs) == len(set(pairs))
    names = [route.operation for route in ROUTES if not route.hidden]
    assert all(names)
    assert len(names) == len(set(names))


def test_the_document_has_what_is_served_and_nothing_else() -> None:
    document = openapi(ROUTES, title="Central", version="1", bases=BASES)
    offered = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert offered == {(route.method, route.path) for route in ROUTES if not route.hidden}
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name
    assert "StreamConfig" in document["components"]["schemas"], "the UI makes its form from it"
