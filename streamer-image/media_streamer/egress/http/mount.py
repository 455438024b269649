"""The routes of the protocols that are served over HTTP, as their rows say."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from media_api.protocols import roles

from media_streamer import protocols
from media_streamer.egress.context import Egress
from media_streamer.egress.http.routes import Route, Router
from media_streamer.egress.hub import Hub


def mounted_routes(egress: Egress) -> Iterator[Route]:
    """What `play.py` and `publish.py` of each protocol answer."""
    mounted: set[tuple[str, str]] = set()
    for role in ("play", "publish"):
        for row, found in roles(role):
            place = row.package, role
            if row.transport == "http" and found.served and place not in mounted:
                mounted.add(place)
                counted = row.name if role == "play" and row.session != "uncounted" else ""
                for route in protocols.load(row, role).routes(egress):
                    yield replace(route, counted_as=counted)


@cache
def path_forms() -> Router:
    """The same to read paths by, for who answers none of them itself (a cache)."""
    return Router(mounted_routes(Egress(Hub(Path()))))
