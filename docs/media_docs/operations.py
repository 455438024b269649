"""Writes `operations.js`: the operations of both APIs, for the page on REST.

`python -m media_docs.operations FILE`. A script and not JSON, because a page that is read as a file
may load scripts and fetch nothing. The whole documents are served by the programs themselves, at
`/streamer/api/v3/openapi.json` and `/central/api/v3/openapi.json`.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from media_api.base import JsonObject
from media_central.rest.app import ROUTES as CENTRAL_ROUTES
from media_rest.route import Route
from media_streamer.api.server import ROUTES

APIS = (
    ("Streamer", "/streamer/api/v3", ROUTES),
    ("Central", "/central/api/v3", CENTRAL_ROUTES),
)


def operations() -> list[JsonObject]:
    return [
        {"title": title, "base": base, "operations": list(_operations(routes))}
        for title, base, routes in APIS
    ]


def _operations(routes: Iterable[Route]) -> Iterator[JsonObject]:
    for route in sorted(routes, key=lambda one: (one.path, one.method)):
        if route.hidden:
            continue
        found: JsonObject = {"method": route.method, "path": route.path, "summary": route.summary}
        if route.query:
            found["query"] = dict(route.query)
        if route.collection:
            found["list"] = True
        if route.request is not None:
            found["body"] = route.request.__name__
        if route.response is not None:
            found["answer"] = route.response.__name__
        yield found


def main(file: Path) -> None:
    text = json.dumps(operations(), ensure_ascii=False, separators=(",", ":"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"window.MEDIA_APIS = {text};\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
